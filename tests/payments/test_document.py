from pathlib import Path

from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.document import catalog_markdown

PAGE = Path(__file__).parents[2] / "docs" / "payment-methods.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == catalog_markdown(PaymentCatalog.default())


def test_the_page_shows_every_method_and_every_source() -> None:
    catalog = PaymentCatalog.default()
    page = catalog_markdown(catalog)
    for method in catalog.methods:
        assert f"(`{method.method_type}`)" in page
        assert all(source.url in page for source in method.sources)
    assert all(edition.url in page for edition in catalog.editions)
    assert page.index("Read this first") < page.index("## All methods")
