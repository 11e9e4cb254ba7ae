"""Command line: open a module in a window, or save a picture of it."""

from __future__ import annotations

import argparse
import os
import sys


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="harness", description="Runs a Slicer scripted module without Slicer."
    )
    actions = parser.add_subparsers(dest="action", required=True)
    window = actions.add_parser("window", help="open a module in a real window")
    window.add_argument("module")
    shot = actions.add_parser("shot", help="save a picture of a module as it opens")
    shot.add_argument("module")
    shot.add_argument("picture")
    shot.add_argument("--scale", type=float, default=1.0, help="device pixels to a pixel")
    options = parser.parse_args()
    if options.action == "shot":
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from harness.host import Host

    host = Host()
    host.answers.interactive = options.action == "window"
    host.load_module(options.module)
    if options.action == "shot":
        host.grab(options.picture, options.scale)
        host.check()
        host.quit()
        return 0
    sys.excepthook = sys.__excepthook__
    host.app.lastWindowClosed.connect(host.app.quit)
    code = host.app.exec()
    host.quit()
    return code


if __name__ == "__main__":
    sys.exit(main())
