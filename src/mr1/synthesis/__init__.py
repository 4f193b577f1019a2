"""Questions and answers about pictures, made by models or of exact facts: `mr1 data make`.

After WeThink (arXiv 2506.07905), whose pipeline is known from its README and second hand: a picture is described, asked
after and described again; questions are written that need several abilities; those that can't be checked are filtered;
answers are kept where two models agree on them, or a third one decides.

    settings   what is made of what
    pictures   files, or scenes of a procedural task
    row        what is kept, and what is dropped where and why
    folder     what is written, and going on after a stop
    exact      scenes whose facts are known: no model is asked
    prompts    what models are asked, and how their replies are read
    steps      the pipeline
    checks     which questions can be checked, and whether answers agree
    make       all of it
"""
