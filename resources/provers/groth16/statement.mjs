// What is proved. The data is a JSON object of decimal numbers, at most a field element each:
//
//     root      the group's Merkle root: what the proof is about, never taken from anywhere else
//     scope     separates uses of one group; with the secret it makes the nullifier
//     secret    the prover's member secret      } the witness: needed to prove,
//     members   the group's commitments in order } ignored by validation
//
// The circuit is Semaphore 4's at depth 16. Its public `message` is sha256(request_id ‖ data) >> 8, so that a
// proof holds for one request and one input alone. The group is a LeanIMT: a node without a right sibling
// rises unchanged.

import { mulPointEscalar, Base8, subOrder } from "@zk-kit/baby-jubjub"
import { createHash } from "node:crypto"
import { poseidon2 } from "poseidon-lite"
import { BadRequest } from "../common/server.mjs"

export const DEPTH = 16
export const FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
const DECIMAL = /^(?:0|[1-9][0-9]{0,76})$/

export function message(requestId, data) {
    const digest = createHash("sha256").update(requestId, "utf8").update(data).digest("hex")
    return BigInt(`0x${digest}`) >> 8n
}

// {root, scope} of the data.
export function statement(data) {
    const input = parse(data)
    return { root: number(input.root, "root"), scope: number(input.scope, "scope") }
}

// The circuit's inputs apart from message and scope.
export function witness(data) {
    const input = parse(data)
    const secret = number(input.secret, "secret")
    if (secret === 0n || secret >= subOrder) throw new BadRequest("the secret is out of range")
    if (!Array.isArray(input.members) || input.members.length < 2 || input.members.length > 2 ** DEPTH)
        throw new BadRequest(`members must list 2 to ${2 ** DEPTH} commitments`)
    const members = input.members.map((member) => number(member, "members"))
    const place = members.indexOf(commitment(secret))
    if (place < 0) throw new BadRequest("the secret belongs to no member")
    const path = merklePath(members, place)
    if (path.root !== number(input.root, "root")) throw new BadRequest("the members do not give the root")
    return {
        secret,
        merkleProofLength: path.siblings.length,
        merkleProofIndex: path.index,
        merkleProofSiblings: [...path.siblings, ...Array(DEPTH - path.siblings.length).fill(0n)],
    }
}

export function commitment(secret) {
    return poseidon2(mulPointEscalar(Base8, secret))
}

// Root, siblings and index; where a level has no sibling, it is left out of both.
export function merklePath(leaves, place) {
    const siblings = []
    let index = 0
    let level = leaves
    while (level.length > 1) {
        const sibling = level[place ^ 1]
        if (sibling !== undefined) {
            index |= (place & 1) << siblings.length
            siblings.push(sibling)
        }
        const next = []
        for (let i = 0; i < level.length; i += 2)
            next.push(i + 1 < level.length ? poseidon2([level[i], level[i + 1]]) : level[i])
        level = next
        place >>= 1
    }
    return { root: level[0], siblings, index }
}

function parse(data) {
    let input
    try {
        input = JSON.parse(data.toString("utf8"))
    } catch {
        throw new BadRequest("the data is no JSON")
    }
    if (input === null || typeof input !== "object") throw new BadRequest("the data is no JSON object")
    return input
}

function number(value, name) {
    if (typeof value !== "string" || !DECIMAL.test(value) || BigInt(value) >= FIELD)
        throw new BadRequest(`${name} must be a decimal string below the field's order`)
    return BigInt(value)
}
