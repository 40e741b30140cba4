"""What a person can do about a failed attempt. What went wrong is told where it is found out."""

BUSY = "The dispatcher is too busy: start another one."
CHAIN = "Install a certificate of a public authority, together with its intermediate certificates (fullchain.pem)."
CLIENT = "Switch client certificates off for the callback URL, and verify the signature of notifications instead."
HOST = "Check the spelling of the host in the callback URL, and its DNS records."
HTTPS = "Check that a web server answers at this port, and that it speaks HTTPS with HTTP/1.1."
LOG = "Look into the log of the server, and of the proxies in front of it."
NAME_SERVERS = "Check the name servers of the host, and the delegation and DNSSEC signatures of its zone."
OPEN_FILES = "Raise the dispatcher's limit of open files (ulimit -n)."
REDIRECT = "Redirects are not followed: register the URL that this one leads to."
REISSUE = "Install a certificate that names the callback URL's host in subjectAltName."
RENEW = "Renew the certificate, then reload the server."
RETRY = "Nothing needs to be done: the delivery is attempted again."
SLOW = "Answer as soon as the notification is stored, and process it afterwards."
SUCCESS = "The payload format does not count this status as success: answer 200."
TLS = "Check the server's TLS settings: TLS 1.2 or 1.3, ECDHE with AES-GCM, and no demand for client certificates."
UP = "Check the port, that the server is running, and that its firewall lets this service in."
STATUS = {
    401: "Let the callback URL work without a login, and verify the signature of notifications instead.",
    403: "Look for a firewall, bot filter or access rule that refuses this service.",
    404: "Check the path of the callback URL.",
    405: "Let the callback URL accept POST.",
    410: "The server says that this URL is gone for good: register the new one.",
    429: "Raise the server's limit for the rate of requests.",
}
