"""Print the JSON schema of a study's configuration: `python -m tokred.study`."""

from __future__ import annotations

import json

from tokred.study.study import Study

print(json.dumps(Study.model_json_schema(), indent=2))
