"""The local MLflow and Airflow: checked, started, watched and stopped as one thing under one runtime folder."""
