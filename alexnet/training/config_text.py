"""options.toml: the options of a run as a file that --config reads.

Every option is there, so the run can be repeated with other versions of the recipes. Options that
have no value, such as a network's change that was not asked for, are left out.
"""

import json
from dataclasses import asdict, replace

from alexnet.training.options import Options

_HEADER = """\
# The options of this run: python -m alexnet.train --config THIS-FILE repeats it.
# Keys are flags, and flags of the command line win. Paths are relative to this file.
"""


def config_text(options: Options) -> str:
    """The text of options.toml."""
    if not options.pretrained:  # older files have None for the spec's own weights
        options = replace(options, init=options.init or "published")
    lines = [
        _line(name.replace("_", "-"), value)
        for name, value in asdict(options).items()
        if value is not None
    ]
    return _HEADER + "\n".join(lines) + "\n"


def _line(key, value):
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a folder that is not UTF-8, which no TOML file holds
        return f"# {key} has a name that is not UTF-8: give it on the command line"
    return f"{key} = {text}"
