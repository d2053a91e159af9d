"""Fine-tuning of vision-language models with TRL, and their answers: the inside of the engine ``trl``.

``settings`` has the options and the paper's recipes, ``models`` loads, ``conversations`` makes what a model reads,
``training`` trains, ``answering`` predicts, ``job`` does either for a task, and ``worker`` in a process of its own.
"""
