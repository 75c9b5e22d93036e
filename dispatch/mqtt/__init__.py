"""One MQTT 5 connection on the `mqtt5` codec: batches in, acknowledgements when told to, messages out, resume, flow
control. Used by `ingest` and by `notify`; it knows nothing of alarms or of terminals.

`connection` is what others use; `link` is the life of one TCP connection, `wire` cuts its bytes into packets, and
`outgoing` keeps what was given to be published until the broker has it.
"""

from dispatch.mqtt.connection import Connection
from dispatch.mqtt.nouns import Address, Counts, Message, Session, Subscription, Unreadable, Will

__all__ = ["Address", "Connection", "Counts", "Message", "Session", "Subscription", "Unreadable", "Will"]
