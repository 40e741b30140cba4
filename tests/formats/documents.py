"""What stands in the documents that the payload formats come from, word for word."""

EXAMPLES = {
    "phonovation-v2/document-example": """
        { "Status": "MESSAGE_SUCCESS", "FinishedAt": "2026-04-09T14:39:40.69257Z",
          "Message": "Your message has been queued.", "NotifyId": "order-001" }
    """,
    "insider/document-sent": """
        {
        "id": "sms-66944540-5ade",
        "uniqueArgs": {
        "param1": "test 1",
        "param2": "test 2"
        },
        "event": "sent",
        "partCount": 1
        }
    """,
    "insider/document-delivered": """
        {
        "id": "sms-66944540-5ade",
        "uniqueArgs": {
        "param1": "test 1",
        "param2": "test 2"
        },
        "event": "delivered"
        }
    """,
    "insider/document-carrier-violation": """
        {
        "id": "sms-66944540-5ade",
        "uniqueArgs": {
        "param1": "test 1",
        "param2": "test 2"
        },
        "event": "undelivered",
        "reason": {
        "message": "Carrier Violation",
        "code": 1408
        }
        }
    """,
    "insider/document-hard-bounce": """
        {
        "id": "sms-66944540-5ade",
        "uniqueArgs": {
        "param1": "test 1",
        "param2": "test 2"
        },
        "event": "undelivered",
        "reason": {
        "message": "Hard Bounce",
        "code": 1400
        }
        }
    """,
    "insider/document-soft-bounce": """
        {
        "id": "sms-66944540-5ade",
        "uniqueArgs": {
        "param1": "test 1",
        "param2": "test 2"
        },
        "event": "undelivered",
        "reason": {
        "message": "Soft Bounce",
        "code": 1404
        }
        }
    """,
    "insider/document-unknown-delivery": """
        {
        "id": "sms-66944540-5ade",
        "uniqueArgs": {
        "param1": "test 1",
        "param2": "test 2"
        },
        "event": "undelivered",
        "reason": {
        "message": "Soft Bounce",
        "code": 1409
        }
        }
    """,
}
ROUTEE = """
{
"messageId":"string",
"smsId":"string",
"campaignTrackingId":"string",
"part":"number",
"parts":"number",
"label":"string",
"to":"string",
"from":"string",
"country":"string",
"operator":"string",
"groups":[
"string"
],
"campaignName":"string",
"status":{
"name":"string",
"reason":{
"detailedStatus":"string",
"description":"string"
},
"updatedDate":"string"
},
"message":"string",
"applicationName":"string",
"latency":"number",
"price":"number",
"direction":"string",
"originatingService":"string"
}
"""
MTA_CODES = """
QUEUED = 1,
SENDING = 2,
SENT = 3, // provider sent to carrier
DELIVERED = 4,
SENDING_FAILED = 5, // something failed on the provider end
DELIVERY_FAILED = 6, // sent to carrier, but failed to deliver
DELIVERY_UNCONFIRMED = 7, // no response from carrier
DELIVERY_REJECTED = 8, // blocked by carrier
UNDELIVERED = 9, // handset is turned off, out of coverage, or something else of that nature
INVALID_NUMBER = 10,
STOPPED_NUMBER = 11,
LANDLINE = 12,
SEND_REJECTED = 13, // blocked by provider
QUEUEING_FAILED = 14 // carrier failed to acknowledge message
"""
