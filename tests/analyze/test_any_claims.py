"""Whatever is claimed is settled: no input raises, searches without end, or says what it takes back."""

import string

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trainqc.pipeline.analyze.claims import NAMES, Claim, Claims
from trainqc.pipeline.analyze.derivation import derive, place
from trainqc.pipeline.analyze.explanations import spans
from trainqc.pipeline.analyze.identities import KNOWN, SAMPLERS
from trainqc.pipeline.analyze.solve import solve

number = st.one_of(st.integers(0, 40), st.integers(1, 5000), st.sampled_from([2**31, 2**53, 10**15, 10**18]))
claim = st.builds(
    lambda name, one, other, exact, source: Claim(
        name, min(one, other) if not exact else one, max(one, other) if not exact else one, source
    ),
    st.sampled_from(NAMES),
    number,
    number,
    st.booleans(),
    st.sampled_from(["user", "log", "config", "counted", "timestamps", "default", "elsewhere"]),
)
framework = st.one_of(st.none(), st.sampled_from(sorted(KNOWN)), st.text(string.printable, max_size=12))
classes = [name for rule in SAMPLERS for name in rule.classes]
sampler = st.one_of(st.none(), st.sampled_from(classes), st.text(max_size=9))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(claim, max_size=10), framework, sampler)
def test_any_claims_are_settled(claims: list[Claim], framework: str | None, sampler: str | None) -> None:
    """A verdict, explanations within the claims that they keep, and a derivation of them."""
    verdict = solve(Claims(tuple(claims), framework, sampler))
    assert verdict.candidates < 50_000
    for one in verdict.explanations:
        for said in claims:
            span = spans(one, "epochs" if said.name == "epochs_planned" else said.name) if said.name in READ else None
            if span is not None and said.name not in one.contradicts:
                assert span[0] <= max(said.high, 1)
                assert span[1] >= said.low
    assert verdict.verdict != "consistent" or not verdict.contradicted
    seen = derive(verdict)
    assert all("\n" not in text for text in (*seen.steps, *seen.others))
    for one in verdict.explanations[:1]:
        place(362, one)


READ = (
    *("num_samples", "batch_size", "world_size", "grad_accum", "epochs_planned", "iters_per_epoch", "iters_planned"),
    "updates_planned",
)
