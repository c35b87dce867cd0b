"""The nodes of a page in order; each element occurs twice, at its beginning and at its end."""

from collections.abc import Collection, Iterator
from typing import TypeAlias

from selectolax.lexbor import LexborNode

Step: TypeAlias = tuple[LexborNode, bool]
"""A node, and whether it begins here; a text begins only."""


def walk(root: LexborNode, left_out: Collection[int] = ()) -> Iterator[Step]:
    """Walks without recursion, however deep the page; an element that is left out is skipped with its contents."""
    node, last = root, root.mem_id
    while True:
        if node.mem_id not in left_out:
            yield node, True
            if inside := node.child:
                node = inside
                continue
            if node.is_element_node:
                yield node, False
        while node.mem_id != last:
            if following := node.next:
                node = following
                break
            if (parent := node.parent) is None:
                return
            node = parent
            yield node, False
        else:
            return
