"""Do the Python clients work through Tandem as they do with the providers themselves?

One process for all cases. Reads from the variable TANDEM_CLIENTS where the gateways and the simulators listen, and
prints a line of JSON per case: {"case", "ok", "error", "seconds"}.
"""

import json
import os
import sys
import time
import traceback

import langchain_cases
import openai_cases
from setting import Setting


def main() -> None:
    facts = json.loads(os.environ["TANDEM_CLIENTS"])
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for module in (openai_cases, langchain_cases):
        for name, case, form in module.cases(facts["forms"]):
            if wanted not in name:
                continue
            started = time.monotonic()
            error = None
            try:
                case(Setting(facts, form))
            except Exception:
                error = traceback.format_exc()
            line = {"case": name, "ok": error is None, "error": error, "seconds": time.monotonic() - started}
            print(json.dumps(line), flush=True)


main()
