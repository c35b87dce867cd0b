// Writer and reader of the reference server, with its own client; the commands are those of sides/valkey.py.
import readline from "node:readline"
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client"

const handlers = { connect, prepare, write, fill, read, collect }
const handles = new Map()
const FILLING_AT_ONCE = 32
const AWAY_MS = 50
let base = ""

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1000)
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)

async function* connect({ url }) {
  base = url
  yield {}
}

async function* prepare({ streams }) {
  for (const name of streams) {
    handles.set(name, await DurableStream.create({ url: `${base}/${name}`, contentType: "application/json" }))
  }
  yield {}
}

// What is not written in time is left: the answer then confirms nothing.
async function* write({ streams, rate, tokens, spread_s, limit_s }) {
  const one = async (name, n) => {
    await sleep((n / streams.length) * spread_s * 1000)
    return speak(handles.get(name), rate, tokens)
  }
  const late = sleep(limit_s * 1000).then(() => [])
  const acked = await Promise.race([Promise.all(streams.map(one)), late])
  yield { acked: Object.fromEntries(streams.map((name, n) => [name, acked[n] ?? []])) }
}

// Appending does not wait: the producer gathers what is said within its linger of 5 ms.
async function speak(handle, rate, tokens) {
  const said = []
  const state = { failed: false }
  const onError = () => { state.failed = true }
  const producer = new IdempotentProducer(handle, "provider", { autoClaim: true, onError })
  const append = (token) => producer.append(JSON.stringify({ said: token }))
  let mending = null
  const began = performance.now()
  for (let n = 0; n < tokens; n += 1) {
    await sleep(began + (n / rate) * 1000 - performance.now())
    said.push(nowUs())
    if (mending === null && !state.failed) append(said.at(-1))
    else mending ??= mend(handle, producer, append, said, state).then(() => { mending = null })
  }
  await producer.flush()
  if (mending !== null || state.failed) await (mending ?? mend(handle, producer, append, said, state))
  await producer.detach()
  return said
}

// After an error the producer refuses everything behind the batch that failed, so the application looks for what is
// stored, begins another epoch, and appends the rest.
async function mend(handle, producer, append, said, state) {
  let stored = 0
  while (stored < said.length) {
    await sleep(AWAY_MS)
    await producer.restart()
    const response = await stream({ url: handle.url, offset: "-1", live: false })
    stored = (await response.json()).length
    state.failed = false
    for (const token of said.slice(stored)) append(token)
    const appended = said.length
    await producer.flush()
    if (!state.failed) stored = appended
  }
}

// A record for each token, as tokens that come slowly leave them.
async function* fill({ stream: name, tokens }) {
  const handle = await DurableStream.create({ url: `${base}/${name}`, contentType: "application/json", batching: false })
  let left = tokens
  const some = async () => {
    while (left-- > 0) await handle.append(JSON.stringify({ said: nowUs() }))
  }
  await Promise.all(Array.from({ length: FILLING_AT_ONCE }, some))
  yield { records: tokens }
}

async function* read({ streams, tokens, limit_s }) {
  const heard = streams.map(() => ({ said_us: [], at_us: [], kept: 0, wrong: "" }))
  const over = new AbortController()
  const limit = setTimeout(() => over.abort(), limit_s * 1000)
  yield { reading: true }
  await Promise.all(streams.map((name, n) => follow(name, tokens, heard[n], over.signal)))
  clearTimeout(limit)
  yield { ended: true }
  yield { heard }
}

// The client opens a broken connection again by itself; where it gives up, the stream is opened from the last offset.
async function follow(name, tokens, heard, over) {
  let offset = "-1"
  while (heard.kept < tokens && !over.aborted) {
    const done = new AbortController()
    try {
      const signal = AbortSignal.any([over, done.signal])
      const response = await stream({ url: `${base}/${name}`, offset, live: true, signal })
      response.subscribeJson((batch) => {
        const now = nowUs()
        for (const { said } of batch.items) {
          heard.said_us.push(said)
          heard.at_us.push(now)
          heard.kept += 1
        }
        offset = batch.offset
        if (heard.kept >= tokens) done.abort()
      })
      await response.closed
    } catch (error) {
      if (!over.aborted && !done.signal.aborted) await sleep(AWAY_MS)
    }
  }
}

async function* collect({ streams }) {
  const said = {}
  for (const name of streams) {
    const response = await stream({ url: `${base}/${name}`, offset: "-1", live: false })
    said[name] = (await response.json()).map((item) => item.said)
  }
  yield { said_us: said }
}

answer({ ready: true })
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { do: name, ...given } = JSON.parse(line)
  for await (const value of handlers[name](given)) answer(value)
}
process.exit(0)
