"""The page of the service, under /portal: customers and the platform's support see, understand and mend."""
