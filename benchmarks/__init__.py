"""Measurements, side by side with a peer, on real parts: PostgreSQL, Mosquitto, `dispatch serve`, MQTT terminals."""
