"""Methods that reduce tokens in every block, as rules for `tests.formulations.slow_vit`, by loops.

Each takes `kept`, the number of spatial tokens left after a block. Blocks that it lacks remove none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Numbers

from tests.formulations.slow_vit import Rule, Sequence, Token, cosines, merged


def tome(kept: Mapping[int, int], proportional: bool = True) -> Rule:
    """ToMe: pairs by position merge, weighted by size."""

    def rule(sequence: Sequence) -> None:
        alone, groups = _by_position(sequence, kept)
        _replace(sequence, [*alone, *(merged(group) for group in groups)], proportional)

    return rule


def tofu(kept: Mapping[int, int], last_pruning: int, mlerp: str = "paper") -> Rule:
    """ToFu: pairs by position lose their first token, and merge by MLERP after block `last_pruning`."""

    def rule(sequence: Sequence) -> None:
        alone, groups = _by_position(sequence, kept)
        merge = (lambda group: group[0]) if sequence.block <= last_pruning else _mlerp(mlerp)
        _replace(sequence, [*alone, *map(merge, groups)], proportional=False)

    return rule


def _mlerp(form: str) -> Callable[[list[Token]], Token]:
    def merge(group: list[Token]) -> Token:
        if len(group) == 1:
            return group[0]
        token = merged(group, [1.0] * len(group))
        longest = max(group, key=lambda each: each.x.norm().item()).x
        divisor = token.x if form == "paper" else group[0].x
        token.x = token.x / divisor.norm() * longest.norm()
        return token

    return merge


def pitome(
    kept: Mapping[int, int], protects: Numbers[bool], margin: float = 0.75, proportional: bool = False
) -> Rule:
    """PiToMe.

    Args:
        protects: for every block, whether tokens of low energy are protected.
        margin: of the first block.
    """

    def rule(sequence: Sequence) -> None:
        tokens = sequence.spatial
        removed = len(tokens) - kept.get(sequence.block, len(tokens))
        if removed == 0:
            return
        similarity = cosines(sequence.keys[sequence.num_prefix :])
        here = margin - margin * sequence.block / sequence.depth
        energy = [sum(_elu(value - here) for value in row) for row in similarity]
        ranks = sorted(range(len(tokens)), key=lambda token: -energy[token])
        candidates = ranks[: 2 * removed] if protects[sequence.block] else ranks
        a, b = candidates[0::2], candidates[1::2]
        target = {i: max(b, key=lambda j, i=i: similarity[i][j]) for i in a}
        by_edge = sorted(a, key=lambda i: -similarity[i][target[i]])
        sources, alone = by_edge[:removed], by_edge[removed:]
        if protects[sequence.block]:
            assert alone == [], "every token of A merges"
            alone = ranks[2 * removed :]
        groups = [[j, *(i for i in sources if target[i] == j)] for j in b]
        slots = [tokens[i] for i in alone] + [merged([tokens[i] for i in group]) for group in groups]
        _replace(sequence, slots, proportional)

    return rule


def diffrate(
    prune: Numbers[int],
    merge: Numbers[int],
    weighted: bool = False,
    by_similarity: bool = True,
    proportional: bool = True,
) -> Rule:
    """DiffRate.

    Args:
        prune, merge: for every block the numbers of tokens, CLS included, left by pruning and by merging.
        weighted: whether means are weighted by size.
        by_similarity: whether a source adds its size times its cosine, or its size.
    """

    def rule(sequence: Sequence) -> None:
        tokens, attention = sequence.spatial, sequence.probabilities[:, 0, sequence.num_prefix :]
        importance = attention.mean(dim=0).tolist()
        ranked = sorted(range(len(tokens)), key=lambda token: -importance[token])
        ranked = [tokens[place] for place in ranked[: prune[sequence.block] - 1]]
        number = merge[sequence.block] - 1
        staying, sources = ranked[:number], ranked[number:]
        similarity = {id(i): {id(j): _cosine(i, j) for j in staying} for i in sources}
        groups: dict[int, list[Token]] = {id(j): [j] for j in staying}
        sizes = {id(j): j.size for j in staying}
        for i in sources:
            best = max(staying, key=lambda j, i=i: similarity[id(i)][id(j)])
            groups[id(best)].append(i)
            sizes[id(best)] += i.size * (similarity[id(i)][id(best)] if by_similarity else 1)
        slots = []
        for j in staying:
            group = groups[id(j)]
            token = merged(group, None if weighted else [1.0] * len(group))
            token.size = sizes[id(j)]
            slots.append(token)
        _replace(sequence, slots, proportional)

    return rule


def _by_position(sequence: Sequence, kept: Mapping[int, int]) -> tuple[list[Token], list[list[Token]]]:
    """Tokens that stay alone, and groups of which the first is the one that others join, in ToMe's order."""
    tokens, prefix = sequence.tokens, sequence.num_prefix
    count = len(sequence.spatial)
    removed = min(count - kept.get(sequence.block, count), count // 2)
    if removed == 0:
        return sequence.spatial, []
    similarity = cosines(sequence.keys)
    even = [place for place in range(prefix, len(tokens)) if place % 2 == 0]
    odd = [place for place in range(prefix, len(tokens)) if place % 2 == 1]
    target = {i: max(odd, key=lambda j, i=i: similarity[i][j]) for i in even}
    sources = sorted(even, key=lambda i: -similarity[i][target[i]])[:removed]
    alone = [tokens[i] for i in even if i not in sources]
    return alone, [[tokens[j], *(tokens[i] for i in sources if target[i] == j)] for j in odd]


def _replace(sequence: Sequence, slots: list[Token], proportional: bool) -> None:
    """Replace the spatial tokens."""
    for token in slots:
        token.key_weight = token.size if proportional else 1.0
    sequence.tokens = [*sequence.tokens[: sequence.num_prefix], *slots]


def _elu(value: float) -> float:
    return value if value > 0 else math.exp(value) - 1


def _cosine(one: Token, other: Token) -> float:
    return (one.x @ other.x / (one.x.norm() * other.x.norm())).item()
