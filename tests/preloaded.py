"""What a command loads before it trains; imported once, by the process that commands of tests are forked from."""

import accelerate
import datasets
import mlflow.store.tracking.sqlalchemy_store
import peft
import transformers.models.bert.modeling_bert
import transformers.models.llama.modeling_llama

import patentlab.classifiers.transformer
import patentlab.experiment
import patentlab.run
import patentlab.tracking.mlflow
import patentlab.training.trainer

__all__ = ["accelerate", "datasets", "mlflow", "patentlab", "peft", "transformers"]
