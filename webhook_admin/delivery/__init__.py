"""How deliveries reach their receivers."""
