"""The conformance report: observed fields, fields that cannot be set, and tested limits."""

from __future__ import annotations

from collections import defaultdict

from cases import described
from fields import TABLE, paths
from limits import Limit


class Report:
    """Collects the results of the tests."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = defaultdict(set)
        self._asked: dict[str, set[str]] = defaultdict(set)
        self._tried: dict[int, tuple[Limit, dict[str, str]]] = {}

    def asked(self, operation: str, case: str) -> None:
        """Records a successful case."""
        self._asked[operation].add(case)

    def saw(self, operation: str, path: str) -> None:
        """Records a non-null field."""
        self._seen[operation].add(path)

    def tried(self, limit: Limit, label: str, code: str) -> None:
        """Records a value that was accepted, or rejected with the expected code."""
        self._tried.setdefault(id(limit), (limit, {}))[1][label] = code

    def is_empty(self) -> bool:
        """Whether nothing was recorded."""
        return not self._asked and not self._tried

    def short(self) -> list[str]:
        """The summary, one line per operation."""
        lines = [f"{'operation':<42} cases   set  cannot  of"]
        for operation, answer in TABLE.items():
            lines.append(
                f"{operation:<42} {len(self._asked[operation]):>5} {len(self._seen[operation]):>5} "
                f"{len(answer.impossible()):>7} {len(paths(answer.model)):>3}"
            )
        seen = sum(len(found) for found in self._seen.values())
        cannot = sum(len(answer.impossible()) for answer in TABLE.values())
        documented = sum(len(paths(answer.model)) for answer in TABLE.values())
        cases = sum(len(asked) for asked in self._asked.values())
        lines.append(f"{'all':<42} {cases:>5} {seen:>5} {cannot:>7} {documented:>3}")
        values = sum(len(labels) for _, labels in self._tried.values())
        lines.append(f"{len(self._tried)} limits tested with {values} values")
        return lines

    def markdown(self) -> str:
        """The full report."""
        words = described()
        lines = [
            "# Response fields observed by the vendor's SDK",
            "",
            "| Operation | Reference | Cases | Fields set / documented | Cannot be set, and why |",
            "|---|---|---|---|---|",
        ]
        for operation, answer in TABLE.items():
            cases = "<br>".join(
                f"`{case}`: {words[operation][case]}" for case in sorted(self._asked[operation])
            )
            cannot = "<br>".join(
                f"{', '.join(f'`{name}`' for name in names.split())}: {reason}"
                for reason, names in answer.never.items()
            )
            count = f"{len(self._seen[operation])} / {len(paths(answer.model))}"
            lines.append(f"| {operation} | {answer.section or 'SDK'} | {cases} | {count} | {cannot} |")
        return "\n".join([*lines, "", *self._limits(), ""])

    def _limits(self) -> list[str]:
        lines = [
            "# Tested limits",
            "",
            "| Operation | Reference | Field | Limit | Accepted | Refused | with |",
            "|---|---|---|---|---|---|---|",
        ]
        for limit, labels in self._tried.values():
            accepted = ", ".join(label for label, code in labels.items() if not code)
            refused = ", ".join(label for label, code in labels.items() if code)
            codes = ", ".join(sorted({code for code in labels.values() if code}))
            rule = limit.rule if limit.site == "main" else f"{limit.rule} ({limit.site} site)"
            cells = [limit.operation, limit.section, limit.field, rule, accepted, refused, codes]
            lines.append(f"| {' | '.join(cells)} |")
        return lines
