"""Control of the services beside Azure ML: Azure Monitor, Data Factory and storage."""
