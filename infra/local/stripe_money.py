"""The objects of Stripe's API that stand for money: charges, refunds, disputes and what they do to the balance."""

from infra.local.stripe_objects import Object

REPORTING_CATEGORY = {
    "adjustment": "dispute",
    "payment": "charge",
    "payment_failure_refund": "charge_failure",
    "payment_refund": "refund",
}  # of the balance transactions whose category has another name than their type


def charge(charge_id: str, created: int, intent: Object, method: Object, mandate: str | None) -> Object:
    """One try of a payment intent's money, of which it is not known yet how it ends."""
    of_type = method[method["type"]] | ({"mandate": mandate} if mandate else {})
    details = {"type": method["type"], method["type"]: of_type}
    return {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": None,
        "captured": False,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": details,
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }


def refund(refund_id: str, created: int, charge: Object, amount: int) -> Object:
    """Money of a charge on its way back."""
    return {
        "id": refund_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "destination_details": {"type": charge["payment_method_details"]["type"]},
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending",
        "transfer_reversal": None,
    }


def dispute(dispute_id: str, created: int, charge: Object) -> Object:
    """A charge that its payer's bank takes back, until it is decided who is right."""
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {"due_by": None, "has_evidence": False, "past_due": False, "submission_count": 0},
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }


def balance_transaction(txn_id: str, created: int, kind: str, amount: int, source: Object) -> Object:
    """Money that moved into the seller's balance or out of it (a negative amount), and Stripe's fee for it."""
    fee = amount * 29 // 1000 + 30 if kind in ("charge", "payment") else 0
    fees = {"amount": fee, "application": None, "currency": source["currency"], "type": "stripe_fee"}
    category = "dispute_reversal" if kind == "adjustment" and amount > 0 else REPORTING_CATEGORY.get(kind, kind)
    return {
        "id": txn_id,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created,
        "balance_type": "payments",
        "created": created,
        "currency": source["currency"],
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [{**fees, "description": "Stripe processing fees"}] if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source["id"],
        "status": "pending" if source.get("status") == "pending" else "available",
        "type": kind,
    }
