"""Source of the dashboards: `promql` says what is asked, `kit` how a panel looks, one module per board what stands where."""
