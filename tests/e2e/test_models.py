from __future__ import annotations

import struct

from playwright.sync_api import expect


def test_broken_files_are_listed_with_the_reason_and_disturb_nothing(own_product, signed_in):
    whole = (own_product.models_dir / "plain.gguf").read_bytes()
    (own_product.models_dir / "text.gguf").write_text("This is only text.\n" * 50)
    (own_product.models_dir / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    (own_product.models_dir / "wild.gguf").write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, 2**62, 4) + bytes(64)
    )

    page = signed_in(own_product, "/models/")

    for name in ("text", "cut", "wild"):
        row = page.locator("[data-entry]", has_text=f"{name}.gguf")
        expect(row.locator("[data-state=broken]")).to_be_visible()
        expect(row.get_by_role("button", name="Load")).to_have_count(0)


def test_a_model_is_loaded_and_unloaded_by_hand(own_product, signed_in):
    page = signed_in(own_product, "/models/")
    row = page.locator("[data-entry]", has_text="plain.gguf")

    row.get_by_role("button", name="Load").click()
    expect(row.locator("[data-state=ready]")).to_be_visible(timeout=30_000)
    assert "runner" in own_product.processes()

    row.get_by_role("button", name="Unload").click()
    expect(row.locator("[data-state=unloaded]")).to_be_visible(timeout=30_000)
    assert "runner" not in own_product.processes()
