"""One Python interpreter for the python blocks of a page: each block goes on where the one before it ended.

Run as `python doc_session.py REPLY_FD`; takes a JSON request a line on standard input, answers one JSON line each.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import traceback


def main() -> None:
    replies = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    # As a person's prompt would: what lies in the working folder can be imported.
    sys.path[0] = ""
    names: dict = {"__name__": "__main__", "DATA": os.environ["DATA"], "CLIPS": os.environ["CLIPS"]}
    for line in sys.stdin:
        request = json.loads(line)
        code = "\n" * (request["line"] - 1) + request["code"]
        file_name = f"<{request['page']}>"
        linecache.cache[file_name] = (len(code), None, code.splitlines(keepends=True), file_name)
        try:
            exec(compile(code, file_name, "exec"), names)
            failed = False
        except BaseException:
            traceback.print_exc()
            failed = True
        sys.stdout.flush()
        sys.stderr.flush()
        replies.write(json.dumps({"failed": failed}) + "\n")


if __name__ == "__main__":
    main()
