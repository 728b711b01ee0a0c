"""The national axis (Trục liên thông văn bản quốc gia): its protocol, our client for it, and a simulated one."""
