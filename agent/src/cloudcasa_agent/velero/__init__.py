"""Everything that knows Velero: detect, install, build (pure), drive, artifacts. Source: velero.md; module velero v1.18.3."""
