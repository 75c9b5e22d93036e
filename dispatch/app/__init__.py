"""The only place that knows every other one: builds the parts from the settings, and runs them until told to stop.

`parts` builds what lives as long as the process, `leading` what lives as long as one term of the lease, `service` runs
both, and `serve` is what `dispatch serve` calls. Tests and benches use `build`.
"""

from dispatch.app.serve import serve
from dispatch.app.service import Service, build

__all__ = ["Service", "build", "serve"]
