// A prover for tests that proves nothing: proof = sha256(request_id ‖ data), as in adapters/builtin/runtime.py.

import { createHash } from "node:crypto"
import { serve } from "../common/server.mjs"

function prove(requestId, data) {
    return createHash("sha256").update(requestId, "utf8").update(data).digest()
}

function validate(requestId, proof, data) {
    return prove(requestId, data).equals(proof)
}

serve({ prove, validate }, new URL(".", import.meta.url))
