"""Metrics as Prometheus reads them."""

import requests
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """What a scrape says."""

    def __init__(self, text: str) -> None:
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples of the name that have these labels."""
        chosen = [each for each in self.samples if each.name == f"webhook_admin_{name}"]
        return sum(each.value for each in chosen if labels.items() <= each.labels.items())


def scrape_port(port: int | str) -> Scrape:
    """Scrape what is served on a port of loopback."""
    return Scrape(requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text)
