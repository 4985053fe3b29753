"""An experiment's runs, as MLflow's own client reads them."""

import sys

from mlflow import MlflowClient

client = MlflowClient()
experiment = client.get_experiment_by_name(sys.argv[1])
for run in client.search_runs([experiment.experiment_id]):
    rate = [run.data.metrics[f"all_suites/pass_rate{end}"] for end in ("", "_low", "_high")]
    print(run.info.run_name, [round(one, 3) for one in rate])
    print(run.data.metrics["all_suites/pass_at_4"], run.data.params["temperature"])
    print(sorted(file.path for file in client.list_artifacts(run.info.run_id)))
