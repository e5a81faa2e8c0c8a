"""A real mail server for the tests: STARTTLS, authentication, and a mailbox that refuses one recipient.

Prints its port, then one line of JSON a mail.
"""

import json
import ssl
import sys
from email import message_from_bytes
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 there is no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        print(json.dumps({
            "to": envelope.rcpt_tos, "subject": mail["subject"], "from": mail["from"], "parts": parts,
            "id": mail["message-id"], "references": mail["references"],
            "tls": session.ssl is not None, "authenticated": session.authenticated,
        }), flush=True)
        return "250 OK"


def authenticator(server, session, envelope, mechanism, auth_data):
    right = (auth_data.login, auth_data.password) == (b"desk", b"sesame")
    return AuthResult(success=right)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[2])
controller = Controller(
    Handler(), hostname="127.0.0.1", port=int(sys.argv[3]), tls_context=context, require_starttls=True,
    authenticator=authenticator, auth_required=True, auth_require_tls=True,
)
controller.start()
print(json.dumps({"port": int(sys.argv[3])}), flush=True)
sys.stdin.read()
controller.stop()
