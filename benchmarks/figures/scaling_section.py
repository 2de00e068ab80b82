"""The tables of docs/scaling.md in Markdown: what was measured, what the model says of it, and what
it says of more ranks.

Reports come by the names of their files, benchmarks.scaling_page.RESULTS.
"""

from dataclasses import fields

from alexnet.network.plan import plan
from alexnet.network.specs import find_spec
from benchmarks import machine
from benchmarks.figures import parallel_model, parallel_plan
from benchmarks.figures.parallel_plan import SCHEMES, Worker, bytes_of, counts_of, even_batches
from benchmarks.figures.ranks import tables

SIZES = (8, 64, 512)  # ranks
IMAGES = 128  # of a rank
BATCH = 1024  # of all ranks, for comparison: Krizhevsky's largest (2014)

# Assumptions, none of them measured. Rates are nominal, in each direction: NVLink 4 of a GPU, PCI
# Express 2.0 x16.
LINKS = {"1 Gbit/s": 1, "10 Gbit/s": 10, "100 Gbit/s": 100, "NVLink, 3,600 Gbit/s": 3600}
PCI_GBIT = 64
# Overlapped: most of backward, which is two thirds of computing.
GPU = Worker(per_image=1 / 5000, overlapped=0.5, latency=10e-6)

# Krizhevsky (2014), table 1, from memory: {GPUs: ((hours, top-1 error in %), the same with batches
# of 128 in the dense layers)}. 90 epochs of the 1,281,167 images of ILSVRC 2012 on NVIDIA K20, 128
# images a GPU.
PUBLISHED = {
    1: ((98.05, 42.33),),
    2: ((50.24, 42.63), (50.90, 42.27)),
    4: ((26.20, 42.59), (26.78, 42.44)),
    8: ((15.68, 43.28), (15.91, 42.86)),
}
K20 = Worker(per_image=PUBLISHED[1][0][0] * 3600 / (90 * 1_281_167), latency=GPU.latency)


def section(reports: dict[str, dict], commands: dict[str, str]) -> str:
    """All tables.

    reports   {file: report of benchmarks.scaling --ranks}, those that there are
    commands  {file: the command that makes it}
    """
    counts = counts_of(plan(find_spec("paper"), 1000, 227))
    parts = [
        "## Measured: ranks of one machine",
        _measured("ranks.json", reports, commands),
        "## Measured: ranks on hosts of their own",
        _measured("hosts.json", reports, commands),
    ]
    model = None
    if "hosts.json" in reports:
        report = reports["hosts.json"]
        model = report["model"]["parameters"]
        parts += [_frames(report["points"]), "## The model", _model(report)]
    parts += ["## Planned: what each scheme sends", _sent(counts),
              "## Planned: efficiency", _efficiencies(counts, model, reports),
              "## The speed-ups of 2014", _published()]  # fmt: skip
    return "\n\n".join(parts)


def _table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# --- measured -------------------------------------------------------------------------------------


def _measured(name, reports, commands):
    if name not in reports:
        return f"Not measured yet: `{commands[name]}`."
    report = reports[name]
    where = "each rank on a network namespace of its own" if report["hosts"] else "pinned"
    idle = "" if report["idle"] else " Not idle: other programs ran too."
    words = (
        f"{machine.words(report['machine'])}, {report['machine']['date'][:10]}; "
        f"{report['network']}, backend {report['backend']}, {where}; medians, with the middle 80 % "
        f"in brackets, of {report['rounds']} rounds.{idle}"
    )
    return "\n\n".join([words, *(_table(*table) for table in tables(report["points"]))])


def _frames(points):
    extra = [p["frame_bytes"] / p["formula_bytes"] - 1 for p in points if p["ranks"] > 1]
    shares = dict.fromkeys(f"{share:.1%}" for share in (min(extra), max(extra)))  # once if alike
    return (
        f"The frames that left a host have {' to '.join(shares)} more bytes than the formula "
        "says: their headers, 66 bytes of 1,514, and acknowledgements."
    )


def _model(report):
    rows = [
        [str(p["ranks"]), str(p["batch_size"]), "" if p["gbit"] is None else f"{p['gbit']:g}",
         f"{1e3 * p['measured']:,.0f}", f"{1e3 * p['predicted']:,.0f}", f"{p['error']:+.0%}",
         "yes" if p["fitted"] else "no"]
        for p in report["model"]["points"]
    ]  # fmt: skip
    headings = ["ranks", "batch", "Gbit/s", "measured, ms", "model, ms", "error", "fitted"]
    return f"{parallel_model.words(report['model'])}\n\n{_table(headings, rows)}"


# --- planned --------------------------------------------------------------------------------------


def _sent(counts):
    rows = []
    for scheme in SCHEMES[:3]:  # one weird trick's three send the same
        sizes = [2] if scheme == "towers" else [2, *SIZES]
        sent = [sum(bytes_of(scheme, counts, n, IMAGES).values()) for n in sizes]
        cells = [f"{count / 1e6:,.0f}" for count in sent]
        rows.append([scheme.removesuffix(" (a)"), *cells, *[""] * (1 + len(SIZES) - len(cells))])
    even = even_batches(counts)
    return (
        f"MB that a rank sends in a step of `paper`, {IMAGES} images a rank:\n\n"
        + _table(["scheme", "2 ranks", *(f"{n} ranks" for n in SIZES)], rows)
        + f"\n\nTowers send less than data parallel on two ranks where the whole batch is under "
        f"{even['towers']:,.0f} images, one weird trick on any number of ranks where it is under "
        f"{even['one weird trick']:,.0f}."
    )


def _efficiencies(counts, model, reports):
    parts = [
        f"Left {IMAGES} images a rank, right a whole batch of {BATCH:,} images. One weird trick's "
        "(b) and (c) are planned as published: the next part travels while one is computed. "
        "tinynet's own wait for each part."
    ]
    if model is None:
        parts.append("A rank for each processor of this machine: not measured yet.")
    elif reports["hosts.json"]["network"] == "paper, 227 x 227":
        worker = Worker(**{field.name: model[field.name] for field in fields(Worker)})
        words = "A rank for each processor of this machine, by the model above."
        parts += [words, _plan_table(counts, worker)]
    parts.append(
        f"A rank for each GPU; nothing here was measured. Assumed: {1 / GPU.per_image:,.0f} "
        f"images/s in training, {GPU.overlapped:.0%} of computing overlapped, "
        f"{1e6 * GPU.latency:.0f} µs a message."
    )
    parts += [_plan_table(counts, GPU), "The best way with a rank for each GPU:"]
    return "\n\n".join([*parts, _best(counts)])


def _plan_table(counts, worker):
    rows = []
    for scheme in SCHEMES:
        for ranks in (2,) if scheme == "towers" else SIZES:
            cells = []
            for gbit in LINKS.values():
                shares = [
                    parallel_plan.efficiency(scheme, counts, ranks, images, worker, gbit)
                    for images in (IMAGES, BATCH // ranks)
                ]
                cells.append(" / ".join(f"{share:.0%}" for share in shares))
            rows.append([scheme, str(ranks), *cells])
    return _table(["scheme", "ranks", *LINKS], rows)


def _best(counts):
    """The scheme of the largest efficiency, for each number of ranks, images and link."""
    rows = []
    for ranks in (2, *SIZES):
        schemes = [scheme for scheme in SCHEMES if ranks == 2 or scheme != "towers"]
        for images, words in ((IMAGES, f"{IMAGES} a rank"), (BATCH // ranks, f"{BATCH:,} in all")):
            cells = []
            for gbit in LINKS.values():
                shares = {
                    scheme: parallel_plan.efficiency(scheme, counts, ranks, images, GPU, gbit)
                    for scheme in schemes
                }
                best = max(shares, key=shares.get)
                cells.append(f"{best}, {shares[best]:.0%}")
            rows.append([str(ranks), words, *cells])
    return _table(["ranks", "images", *LINKS], rows)


def _published():
    """The table of 2014 beside the model, for the network that it was measured with."""
    spec = find_spec("one-weird-trick")
    counts = counts_of(plan(spec, 1000, spec.image_size))
    schemes = [scheme for scheme in SCHEMES if scheme != "towers"]
    rows = []
    for gpus, runs in PUBLISHED.items():
        hours = [hours for hours, _ in runs]
        speeds = [
            gpus * parallel_plan.efficiency(scheme, counts, gpus, IMAGES, K20, PCI_GBIT)
            for scheme in schemes
        ]
        printed = (hours, [PUBLISHED[1][0][0] / h for h in hours], [error for _, error in runs])
        cells = [" / ".join(f"{number:.2f}" for number in numbers) for numbers in printed]
        rows.append([str(gpus), *cells, *(f"{speed:.2f}" for speed in speeds)])
    words = (
        "Printed by Krizhevsky (2014), table 1, for NVIDIA K20 and one weird trick; written here "
        "from memory, since the paper's text was not at hand: compare it before you cite. The "
        "second number is with batches of 128 in the dense layers. Beside it the speed-ups by the "
        f"formulas, with the printed time of one GPU, a link of {PCI_GBIT} Gbit/s for each GPU "
        f"(PCI Express 2.0 x16, nominal) and {1e6 * K20.latency:.0f} µs a message, nothing "
        "overlapped but the schemes' own. The formulas know nothing of links that GPUs share."
    )
    headings = ["GPUs", "hours", "speed-up", "top-1 error, %", *schemes]
    return f"{words}\n\n{_table(headings, rows)}"
