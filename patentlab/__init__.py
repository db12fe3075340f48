"""patentlab: which model, which head, how much synthetic data a patent classifier needs. A map, a line a room.

Data flows one way; a room imports only rooms above it, and the shared words.

====================  ================================================================================================
``run synthesize …``  the commands, ``analyze`` and ``ui`` too; ``start job overrides command_line terminal``
``experiment``        one experiment from top to bottom: the first file to read
``config``            the schema of ``conf/``, checks across groups
``corpus``            document, corpus, label space, seeds: the words that every room shares
``protocols``         what rooms are handed from their right: progress, classifier, observer
``cache``             one folder of expensive things, keyed and locked
``weights``           where a model's weights come from
--------------------  ------------------------------------------------------------------------------------------------
``data``              sources, duplicates, the fixed split, regimes 1:N
``language_models``   causal models: loading, decoding, fine-tuning
``synthesis``         prompts, generators, strategies, screening, shards: where added documents come from
``mixing``            a training set out of real and added documents
``fidelity``          how close a corpus is to real documents: MMD and its relatives
``models``            backbones, heads, adapters, baselines
``training``          batches, losses, the trainer, cached features, probes, classifiers
``evaluation``        scores to decisions to metrics, calibration, retrieval
``tracking``          result.json, the run key, the MLflow mirror
``sweep``             names, journal, resume, progress, plan, exclusions, one run a GPU
``statistics``        tests, intervals, power; on arrays alone
``analysis``          records to tables, runs to pairs, pairs to claims
``figures``           tables to pictures
``report``            tables, figures and a page, written down
====================  ================================================================================================
"""

__version__ = "0.1.0"
