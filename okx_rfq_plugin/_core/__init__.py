"""The core: how one call runs. Private; import from `okx_rfq_plugin`."""
