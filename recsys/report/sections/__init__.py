"""Sections of the nightly page: modules with `TITLE` and `build(page)`, in the order of `report.page.SECTIONS`."""
