"""patentlab: which model, which head, how much synthetic data a patent classifier needs. A map, a line a room.

Data flows one way; a room imports only rooms above it, and the shared words.

====================  ================================================================================================
<<<<<<< HEAD
``run synthesize …``  the commands, ``analyze`` and ``ui`` too
``experiment``        one experiment from top to bottom: the first file to read
``inference``         a trained run, ready to answer
--------------------  ------------------------------------------------------------------------------------------------
``config``            a file a group of ``conf/``, bounds, checks across groups; what registers by name
``console``           what every command shares: composing, overrides, exit codes, progress; it knows no room
=======
``run synthesize …``  the commands, ``analyze`` and ``ui`` too; ``start job overrides command_line terminal``
``experiment``        one experiment from top to bottom: the first file to read
``config``            the schema of ``conf/``, checks across groups
>>>>>>> g/work
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
<<<<<<< HEAD
``mixing``            how many of which, and a training set out of them
``fidelity``          how close added documents are to real ones
``losses``            what is minimised
``models``            backbones, adapters, heads, the encoder with its cache, baselines
``training``          the trainer, probes, length, memory
``classifiers``       any backbone with any head; saving and loading, ensembles, label consistency
=======
``mixing``            a training set out of real and added documents
``fidelity``          how close a corpus is to real documents: MMD and its relatives
``models``            backbones, heads, adapters, baselines
``training``          batches, losses, the trainer, cached features, probes, classifiers
``evaluation``        scores to decisions to metrics, calibration, retrieval
>>>>>>> g/work
``tracking``          result.json, the run key, the MLflow mirror
``sweep``             launch, jobs, journal, resume, plan, exclusions, one run a GPU
``statistics``        tests, intervals, power; on arrays alone
``analysis``          records to tables, runs to pairs, pairs to claims
``figures``           tables to pictures
``report``            tables, figures and a page, written down
====================  ================================================================================================
"""

__version__ = "0.1.0"
