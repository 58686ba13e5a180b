"""A progress bar on stderr: only on a terminal, and only for what takes longer than a second."""

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

AFTER_S = 1.0


class Bar:
    """`with Bar(wanted) as bar: bar.stage("Reading"); bar.update(done, total)`; without a total it only moves.

    Calls may come from any thread. Nothing is drawn where stderr is no terminal, and no text of a log ever is.
    """

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted and sys.stderr.isatty()
        self.timer: threading.Timer | None = None
        self.drawn: RichProgress | None = None
        self.lock = threading.Lock()
        self.text, self.done, self.total = "", 0, None

    def __enter__(self) -> "Bar":
        if self.wanted:
            self.timer = threading.Timer(AFTER_S, self._draw)
            self.timer.daemon = True
            self.timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.timer is not None:
            self.timer.cancel()
        with self.lock:
            self.wanted = False
            if self.drawn is not None:
                self.drawn.stop()

    def stage(self, text: str) -> None:
        self.text = text
        self.update(0, None)

    def update(self, done: int, total: int | None) -> None:
        self.done, self.total = done, total
        with self.lock:
            if self.drawn is not None:
                self.drawn.update(self.drawn.task_ids[0], description=self.text, completed=done, total=total)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        with self.lock:
            if not self.wanted:
                return
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            self.drawn = Progress(*columns, console=Console(stderr=True), transient=True)
            self.drawn.add_task(self.text, completed=self.done, total=self.total)
            self.drawn.start()
