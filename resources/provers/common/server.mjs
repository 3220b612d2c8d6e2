// The prover image API over HTTP, shared by the reference images: /prove, /validate and /manifest on port 3000.
// A prover is {prove(requestId, data) -> Buffer, validate(requestId, proof, data) -> boolean}, sync or async.

import { readFileSync } from "node:fs"
import { createServer } from "node:http"

const PORT = 3000
const BODY_LIMIT = 64 * 1024 * 1024 // 32 MiB of data as base64, a proof, and room

// What the caller did wrong: answered with 400 and the message.
export class BadRequest extends Error {}

export function serve(prover, folder) {
    const manifest = JSON.parse(readFileSync(new URL("manifest.json", folder)))
    const sample = readFileSync(new URL("sample.json", folder))
    manifest.sample = { request_id: "sample", data: sample.toString("base64") }
    const server = createServer((request, response) => {
        answer(prover, manifest, request).then(
            ([status, body]) => send(response, status, body),
            (error) => send(response, error instanceof BadRequest ? 400 : 500, { error: String(error.message) })
        )
    })
    server.requestTimeout = 0 // the caller has the deadline
    server.listen(PORT)
}

async function answer(prover, manifest, request) {
    const route = `${request.method} ${request.url}`
    if (route === "GET /manifest") return [200, manifest]
    if (route !== "POST /prove" && route !== "POST /validate") return [404, { error: "no such call" }]
    const body = await json(request)
    const id = text(body.request_id, "request_id")
    const data = bytes(body.data, "data")
    if (route === "POST /prove") {
        const proof = await prover.prove(id, data)
        return [200, { proof: proof.toString("base64") }]
    }
    return [200, { valid: await prover.validate(id, bytes(body.proof, "proof"), data) }]
}

async function json(request) {
    const parts = []
    let size = 0
    for await (const part of request) {
        size += part.length
        if (size > BODY_LIMIT) throw new BadRequest("the body is too large")
        parts.push(part)
    }
    try {
        const body = JSON.parse(Buffer.concat(parts).toString("utf8"))
        if (body !== null && typeof body === "object") return body
    } catch {
        // said below, for both cases alike
    }
    throw new BadRequest("the body is no JSON object")
}

function text(value, name) {
    if (typeof value !== "string") throw new BadRequest(`${name} is no string`)
    return value
}

function bytes(value, name) {
    // Node skips what is no base64; encoding again shows whether it did.
    const decoded = Buffer.from(text(value, name), "base64")
    if (decoded.toString("base64") !== value) throw new BadRequest(`${name} is no base64`)
    return decoded
}

function send(response, status, body) {
    const payload = Buffer.from(JSON.stringify(body))
    response.writeHead(status, { "content-type": "application/json", "content-length": payload.length })
    response.end(payload)
}
