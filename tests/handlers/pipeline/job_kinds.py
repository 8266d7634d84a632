"""A job file of each kind that azure-ai-ml loads beside pipelines, as Microsoft's documentation writes them."""

from pathlib import Path

COMMAND = """
type: command
command: python train.py --rate ${{inputs.rate}} --data ${{inputs.data}}
code: src
environment: { image: acme/train:1 }
inputs:
  rate: 1e-4
  data: { type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/churn/" }
outputs: { model: { type: mlflow_model } }
compute: azureml:cpu-cluster
resources: { instance_count: 2, shm_size: 2g }
distribution: { type: pytorch, process_count_per_instance: 1 }
limits: { timeout: 3600 }
"""

SWEEP = """
type: sweep
trial:
  code: src
  command: python train.py --rate ${{search_space.rate}} --layers ${{search_space.layers}} --data ${{inputs.data}}
  environment: { image: acme/train:1 }
  environment_variables: { LEVEL: debug }
  resources: { instance_count: 1 }
inputs:
  data: { type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/churn/" }
  rows: 1000
outputs: { model: { type: mlflow_model } }
compute: azureml:cpu-cluster
sampling_algorithm: { type: random, seed: 123, rule: sobol }
search_space:
  rate: { type: loguniform, min_value: -6.9, max_value: -2.3 }
  layers: { type: choice, values: [2, 4, 8] }
objective: { goal: minimize, primary_metric: loss }
limits: { max_total_trials: 20, max_concurrent_trials: 4, timeout: 7200, trial_timeout: 600 }
early_termination: { type: bandit, slack_factor: 0.1, evaluation_interval: 1, delay_evaluation: 5 }
display_name: tune churn
experiment_name: churn-tuning
tags: { team: churn }
"""

CLASSIFICATION = """
type: automl
task: classification
compute: azureml:cpu-cluster
primary_metric: accuracy
log_verbosity: info
target_column_name: churned
training_data: { type: mltable, path: "azureml://datastores/workspaceblobstore/paths/churn/training/" }
validation_data: { type: mltable, path: "azureml://datastores/workspaceblobstore/paths/churn/validation/" }
test_data_size: 0.2
limits:
  { timeout_minutes: 180, max_trials: 40, max_concurrent_trials: 5, enable_early_termination: true, exit_score: 0.9 }
featurization:
  mode: custom
  column_name_and_types: { city: categorical }
  transformer_params: { imputer: [{ fields: [age], parameters: { strategy: median } }] }
  blocked_transformers: [label_encoder]
training: { enable_stack_ensemble: true, blocked_training_algorithms: [logistic_regression] }
outputs: { best_model: { type: mlflow_model } }
"""

FORECASTING = """
type: automl
task: forecasting
compute: azureml:cpu-cluster
primary_metric: normalized_root_mean_squared_error
target_column_name: demand
training_data: { type: mltable, path: "azureml://datastores/workspaceblobstore/paths/demand/" }
n_cross_validations: 5
forecasting: { time_column_name: day, forecast_horizon: 14, time_series_id_column_names: [shop], frequency: D }
limits: { timeout_minutes: 60, max_trials: 5 }
"""

TEXT_CLASSIFICATION = """
type: automl
task: text_classification
compute: azureml:cpu-cluster
primary_metric: accuracy
target_column_name: topic
training_data: { type: mltable, path: "azureml://datastores/workspaceblobstore/paths/news/" }
validation_data: { type: mltable, path: "azureml://datastores/workspaceblobstore/paths/news/validation/" }
limits: { timeout_minutes: 60 }
"""

IMAGE_CLASSIFICATION = """
type: automl
task: image_classification
compute: azureml:cpu-cluster
primary_metric: accuracy
target_column_name: label
training_data: { type: mltable, path: "azureml://datastores/workspaceblobstore/paths/images/" }
limits: { timeout_minutes: 60, max_trials: 4, max_concurrent_trials: 2 }
training_parameters: { early_stopping: true, learning_rate: 0.001 }
sweep: { sampling_algorithm: random, early_termination: { type: bandit, evaluation_interval: 2, slack_factor: 0.2 } }
search_space:
  - model_name: { type: choice, values: [vitb16r224] }
    learning_rate: { type: uniform, min_value: 0.001, max_value: 0.01 }
"""

SPARK = """
type: spark
code: src
entry: { file: train.py }
inputs:
  data: { type: uri_file, path: "azureml://datastores/workspaceblobstore/paths/churn.csv", mode: direct }
  rows: 1000
outputs: { model: { type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/out/", mode: direct } }
args: --data ${{inputs.data}} --rows ${{inputs.rows}}
conf:
  spark.driver.cores: 1
  spark.driver.memory: 2g
  spark.executor.cores: 2
  spark.executor.memory: 2g
  spark.executor.instances: 2
resources: { instance_type: standard_e4s_v3, runtime_version: "3.3" }
identity: { type: managed }
"""

KINDS = {
    "command": COMMAND,
    "sweep": SWEEP,
    "classification": CLASSIFICATION,
    "forecasting": FORECASTING,
    "text": TEXT_CLASSIFICATION,
    "images": IMAGE_CLASSIFICATION,
    "spark": SPARK,
}


def write(folder: Path, kind: str) -> Path:
    """The job file of a kind in a folder, with its code."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src/train.py").write_text("print('trained')\n", encoding="utf-8")
    file = folder / f"{kind}.yml"
    file.write_text(KINDS[kind].lstrip(), encoding="utf-8")
    return file
