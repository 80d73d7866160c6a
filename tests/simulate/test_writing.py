import tomllib
from pathlib import Path

import pytest

from fraudkit.domain.decoding import decode_outcome, decode_transaction
from fraudkit.domain.money import rate_table
from fraudkit.domain.transaction import epoch_ms
from fraudkit.errors import DataFileError
from fraudkit.simulate import Shop, simulate, write_shop

FILES = {"orders.ndjson", "outcomes.ndjson", "truth.csv", "mapping.toml", "RULES.md"}


@pytest.fixture(scope="module")
def shop() -> Shop:
    return simulate(2_000, seed=11)


@pytest.fixture(scope="module")
def directory(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("written") / "new" / "shop"
    write_shop(shop, directory)
    return directory


def _bytes(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_same_size_and_seed_write_the_same_bytes(directory: Path, tmp_path: Path) -> None:
    write_shop(simulate(2_000, seed=11), tmp_path)
    assert set(_bytes(tmp_path)) == FILES
    assert _bytes(tmp_path) == _bytes(directory)


def test_every_line_decodes_to_what_was_written(shop: Shop, directory: Path) -> None:
    orders = (directory / "orders.ndjson").read_bytes().splitlines()
    outcomes = (directory / "outcomes.ndjson").read_bytes().splitlines()
    assert tuple(map(decode_transaction, orders)) == shop.transactions
    assert tuple(map(decode_outcome, outcomes)) == shop.outcomes


def test_event_times_keep_their_local_offset(shop: Shop, directory: Path) -> None:
    lines = (directory / "orders.ndjson").read_bytes().splitlines()
    read = [decode_transaction(line).utc_offset_minutes for line in lines]
    assert read == [transaction.utc_offset_minutes for transaction in shop.transactions]
    assert len(set(read)) > 3


def test_truth_names_every_transaction(shop: Shop, directory: Path) -> None:
    head, *rows = (directory / "truth.csv").read_text().splitlines()
    ids = [transaction.transaction_id for transaction in shop.transactions]
    assert head == "transaction_id,truth"
    assert rows == [f"{name},{truth}" for name, truth in zip(ids, shop.truth, strict=True)]


def test_mapping_has_a_rate_for_every_currency(shop: Shop, directory: Path) -> None:
    mapping = tomllib.loads((directory / "mapping.toml").read_text())
    table = rate_table(mapping["mapping"]["reference_currency"], mapping["rates"])
    for transaction in shop.transactions:
        at_ms = epoch_ms(transaction.event_time)
        order = transaction.order
        assert table.to_reference_minor(order.amount_minor, order.currency, at_ms) is not None
    assert mapping["label"]["delay_days"] == 60
    assert (directory / mapping["outcomes"]["file"]).exists()


def test_a_directory_that_cannot_be_written_is_named(shop: Shop, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(DataFileError, match="taken"):
        write_shop(shop, taken)
