"""Trees that the tests of real drivers share."""

from collections.abc import Callable

import pytest

from tests.real.at_hand import kernel_at_hand
from tests.real.converted import Conversion, laid
from tests.real.ported import Ported


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Conversion], Ported]:
    """Lay a conversion out when it is first asked for; who edits it puts everything back."""
    trees: dict[str, Ported] = {}

    def tree(conversion: Conversion) -> Ported:
        if conversion.name not in trees:
            kernel = kernel_at_hand(conversion.kernel)
            root = tmp_path_factory.mktemp("converted") / "linux"
            trees[conversion.name] = laid(kernel, conversion, root)
        return trees[conversion.name]

    return tree
