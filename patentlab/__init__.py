"""patentlab: which model, which head, how much synthetic data a patent classifier needs. A map, a line a room.

Data flows one way; a room imports only rooms above it, and the shared words.

====================  ================================================================================================
``run synthesize …``  the commands, ``analyze`` and ``ui`` too
``experiment``        one experiment from top to bottom: the first file to read
``inference``         a trained run, ready to answer
--------------------  ------------------------------------------------------------------------------------------------
``config``            a file a group of ``conf/``, bounds, checks across groups; what registers by name
``console``           what every command shares: composing, overrides, exit codes, progress; it knows no room
``corpus``            document, corpus, label space, seeds: the words that every room shares
``protocols``         what rooms are handed from their right: progress, classifier, observer
``storage``           one folder of expensive things, keyed and locked
``weights``           where a model's weights come from
--------------------  ------------------------------------------------------------------------------------------------
``data``              sources, duplicates, the fixed split, regimes 1:N
``evaluation``        metrics on arrays: classification, calibration, retrieval
``tasks``             what is asked of a document, and how an answer is judged
``language_models``   causal models: loading, decoding, fine-tuning
``synthesis``         prompts, generators, strategies, screening, shards: where added documents come from
``mixing``            how many of which, and a training set out of them
``fidelity``          how close added documents are to real ones
``losses``            what is minimised
``models``            backbones, adapters, heads, the encoder with its cache, baselines
``training``          the trainer, probes, length, memory
``classifiers``       any backbone with any head; saving and loading, ensembles, label consistency
``tracking``          result.json, the run key, the MLflow mirror
``sweep``             launch, jobs, journal, resume, plan, exclusions, one run a GPU
``statistics``        tests, intervals, power; on arrays alone
``analysis``          records to tables, runs to pairs, pairs to claims
``figures``           tables to pictures
``report``            tables, figures and a page, written down
====================  ================================================================================================
"""

__version__ = "0.1.0"
