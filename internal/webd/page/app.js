"use strict";
// The page: a live view by Media Source Extensions, the state of the camera, and its picture controls.

const $ = id => document.getElementById(id);
const sleep = ms => new Promise(done => setTimeout(done, ms));
const once = (target, name) => new Promise(done => target.addEventListener(name, done, { once: true }));

// make builds an element.
function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in e) e[name] = value; else e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

// Unreachable is that no answer comes.
class Unreachable extends Error {}

// reach fetches from the camera. Browsers fetch nothing relative to a page whose address has a name and password in it.
async function reach(path, options = {}) {
  const request = new Request(new URL(path, location.origin), { cache: "no-store", ...options });
  try {
    return await fetch(request);
  } catch (err) {
    throw err.name === "AbortError" ? err : new Unreachable(err.message);
  }
}

// ask reaches for something and throws what the camera says when it refuses.
async function ask(path, options) {
  const answer = await reach(path, options);
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer;
}

// read asks for JSON. If not all of it comes, that is no answer.
async function read(path) {
  const answer = await ask(path);
  return answer.json().catch(err => { throw new Unreachable(err.message); });
}

// ---- live view ----

const Source = window.MediaSource || window.ManagedMediaSource;
const silence = 4000; // ms without data after which a stream is asked for anew

// Unplayable is what a new try does not help against.
class Unplayable extends Error {}

class Live {
  constructor() {
    this.video = $("video");
    this.still = $("still");
    this.frame = 0.2; // s, of the stream
    this.video.addEventListener("loadeddata", () => this.pictures(false));
  }

  // show plays a stream, and goes on doing so, until another one is shown or hide is called.
  show(name, rate) {
    this.hide();
    this.name = name;
    this.frame = 1 / (rate || 5);
    this.stop = new AbortController();
    this.keepPlaying(name, this.stop.signal);
  }

  hide() {
    this.stop?.abort();
    this.stop = null;
  }

  async keepPlaying(name, signal) {
    let pause = 500;
    while (!signal.aborted) {
      const began = Date.now();
      try {
        await this.play(name, signal);
      } catch (err) {
        if (signal.aborted) return;
        this.say(err instanceof Unplayable ? `${err.message}: snapshots instead` : `${err.message}: trying again, snapshots meanwhile`);
        this.cover(`${err.message}.`);
        if (Date.now() - began > 10000) pause = 500;
        if (err instanceof Unplayable) pause = 1 << 30;
      }
      await this.snapshots(pause, signal);
      pause = Math.min(pause * 2, 8000);
    }
  }

  async play(name, signal) {
    if (!Source) throw new Unplayable("This browser cannot play live video");
    const media = new Source();
    const url = URL.createObjectURL(media);
    const request = new AbortController();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort);
    try {
      this.video.src = url;
      await once(media, "sourceopen");
      const answer = await within(silence + 2000, ask(`/live/${name}.mp4`, { signal: request.signal }));
      const type = answer.headers.get("Content-Type");
      if (!Source.isTypeSupported(type)) throw new Unplayable(`This browser cannot play ${type}`);
      const buffer = media.addSourceBuffer(type);
      const reader = answer.body.getReader();
      this.video.play().catch(() => {});
      for (;;) {
        const { value, done } = await within(silence, reader.read());
        if (done) throw new Error("The camera ended the stream");
        if (media.readyState !== "open") throw new Error(this.video.error?.message || "The player closed the stream");
        buffer.appendBuffer(value);
        await once(buffer, "updateend");
        if (this.video.error) throw new Error(`The player gave up (${this.video.error.message})`);
        this.follow(buffer);
        await this.trim(buffer);
      }
    } finally {
      request.abort();
      signal.removeEventListener("abort", abort);
      URL.revokeObjectURL(url);
    }
  }

  // follow keeps the picture close to the newest one that has come.
  follow(buffer) {
    const { buffered } = buffer, { video } = this;
    if (!buffered.length) return;
    const start = buffered.start(buffered.length - 1), end = buffered.end(buffered.length - 1);
    const lag = end - video.currentTime, wanted = this.frame + 0.1;
    if (video.currentTime < start || lag < 0 || lag > wanted + 0.8) {
      video.currentTime = Math.max(start, end - wanted);
    }
    video.playbackRate = lag > wanted + this.frame + 0.1 ? 1.2 : 1;
    if (video.paused) video.play().catch(() => {});
    if (video.readyState >= 2) {
      this.pictures(false);
      this.say(`Live, ${this.name}`);
    }
  }

  // trim forgets what was shown, for the browser's memory.
  async trim(buffer) {
    const { buffered } = buffer, old = this.video.currentTime - 10;
    if (buffered.length && buffered.start(0) < old - 20) {
      buffer.remove(0, old);
      await once(buffer, "updateend");
    }
  }

  // snapshots shows the newest snapshots for some time.
  async snapshots(time, signal) {
    const end = Date.now() + time;
    while (!signal.aborted && Date.now() < end) {
      try {
        const picture = await (await within(6000, ask("/camera.jpg", { signal }))).blob();
        const old = this.still.src;
        this.still.src = URL.createObjectURL(picture);
        await this.still.decode();
        if (old) URL.revokeObjectURL(old);
        this.pictures(true);
      } catch { /* the note says already that there is trouble */ }
      await sleep(Math.max(0, Math.min(1000, end - Date.now())));
    }
  }

  pictures(stills) {
    this.still.hidden = !stills;
    this.video.hidden = stills;
    this.cover("");
  }

  // cover says something over the picture, or nothing.
  cover(text) {
    $("curtain").hidden = !text;
    $("curtain").textContent = text;
  }

  say(text) {
    if ($("note").textContent !== text) $("note").textContent = text;
  }
}

// within gives up on a promise after some time.
function within(ms, promise, otherwise = "No picture has come for some seconds") {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Unreachable(otherwise)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const live = new Live();

// ---- state ----

const period = 2000; // ms between two looks at the state
const graphLength = 150;
const feeds = new Map(); // name to what is shown of it
let earlier = {}; // name to the bitrates from before the page was opened
let state = null;

function bits(n) {
  return n >= 1e6 ? `${(n / 1e6).toFixed(1)} Mbit/s` : `${Math.round(n / 1e3)} kbit/s`;
}

function time(s) {
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min` : `${s} s`;
}

function showHealth(good, text) {
  const pill = $("health");
  pill.className = `pill ${good ? "good" : "bad"}`;
  if (pill.textContent !== text) pill.textContent = text;
}

// showProblems lists problems; what stands after a semicolon is the cure.
function showProblems(list) {
  $("problems").hidden = !list.length;
  if ($("problem-list").textContent === list.map(text => text.replace("; ", "")).join("")) return;
  $("problem-list").replaceChildren(...list.map(text => {
    const [what, ...cure] = text.split("; ");
    return make("li", {}, what, ...(cure.length ? [make("small", {}, cure.join("; "))] : []));
  }));
}

function showNotices(list) {
  $("notices").hidden = !list.length;
  $("notice-list").replaceChildren(...list.map(text => make("li", {}, text)));
}

// recovered tells in words what was done against trouble.
function recovered(st) {
  const done = [
    ...Object.entries(st.streams).map(([name, s]) => [s.recoveries, `${name} rebuilt`]),
    [st.recovery.pipelines, "camera rebuilt"], [st.recovery.reconnects, "GPU reconnected"], [st.recovery.restarts, "program restarted"],
    [st.recovery.reboots, "board rebooted"],
  ].filter(([n]) => n).map(([n, what]) => `${what} ${n === 1 ? "once" : `${n} times`}`);
  return done.join(", ") || "none needed";
}

class Feed {
  constructor(stream) {
    this.history = [...earlier[stream] || []];
    this.line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    this.graph = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.graph.setAttribute("viewBox", `0 0 ${graphLength} 40`);
    this.graph.setAttribute("preserveAspectRatio", "none");
    this.graph.setAttribute("role", "img");
    this.graph.append(this.line);
    this.what = make("p");
    this.who = make("p");
    this.rate = make("figcaption");
    $("feed-list").append(make("div", { className: "feed" }, make("h3", {}, stream), this.what, this.who, make("figure", {}, this.graph, this.rate)));
    this.button = make("button", { type: "button" }, stream);
    this.button.addEventListener("click", () => choose(stream));
    $("streams").append(this.button);
  }

  update(s, seconds) {
    if (this.bytes !== undefined && seconds > 0 && s.bytes >= this.bytes) this.history.push((s.bytes - this.bytes) * 8 / seconds);
    this.bytes = s.bytes;
    this.history.splice(0, this.history.length - graphLength);
    this.what.textContent = `${s.width} × ${s.height}, ${+s.framerate.toFixed(2)} pictures/s`;
    const old = s.frame_age_ms === null ? "no picture yet" : s.frame_age_ms > 2000 ? `no picture for ${time(Math.round(s.frame_age_ms / 1000))}` : "";
    const viewers = s.readers + (s.watchers || 0);
    this.who.textContent = old || `${viewers} ${viewers === 1 ? "viewer" : "viewers"}, picture ${s.frame_age_ms} ms old`;
    this.who.className = old ? "bad" : "";
    this.draw();
  }

  draw() {
    const most = Math.max(...this.history, 1);
    const first = graphLength - this.history.length;
    this.line.setAttribute("points", this.history.map((v, i) => `${first + i},${38 - 36 * v / most}`).join(" "));
    this.graph.setAttribute("aria-label", "bitrate of the last minutes");
    this.rate.textContent = this.history.length ? `now ${bits(this.history.at(-1))}, peak ${bits(most)}` : "";
  }
}

const megabytes = n => `${Math.round(n / 1e6)} MB`;

function showFacts(st) {
  const { camera, host } = st;
  const facts = [
    ["Sensor", camera.sensor || "none yet"],
    ["Read out", camera.mode || camera.sensor_mode],
    ["State", camera.state],
    ["Recoveries", recovered(st)],
    ["Last trouble", camera.last_error],
    ["Board", st.board],
    ["Temperature", host.temperature_c && `${host.temperature_c.toFixed(1)} °C`],
    ["Power", [host.under_voltage && "supply too weak", host.throttled && "slowed down"].filter(Boolean).join(", ") || (host.throttled === false && "good")],
    ["Memory", `${megabytes(host.memory_rss_bytes)} used by the program` + (host.memory_total_bytes ? `, ${megabytes(host.memory_available_bytes)} of ${megabytes(host.memory_total_bytes)} free` : "")],
    ["Card", host.sd_sectors_written === null ? "" : `${host.sd_sectors_written} sectors written since boot`],
    ["Running for", time(st.uptime_s)],
    ["Version", st.version],
  ];
  $("facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([what, value]) => [make("dt", {}, what), make("dd", {}, String(value))]));
}

// showAddresses lists what other programs need, by the name under which this page was found.
function showAddresses(st) {
  const here = location.hostname, ports = st.ports || {};
  const list = [];
  for (const stream of Object.keys(st.streams)) {
    if (ports.rtsp) list.push([stream, `rtsp://${here}:${ports.rtsp}/${stream}`]);
    if (ports.rtsps) list.push([stream, `rtsps://${here}:${ports.rtsps}/${stream}`]);
  }
  list.push(["Snapshot", `${location.origin}/camera.jpg`], ["Frigate", `${location.origin}/frigate.yaml`], ["Metrics", `${location.origin}/metrics`],
    ["State", `${location.origin}/status.json`]);
  if (ports.gokrazy) list.push(["System", `http://${here}:${ports.gokrazy}/`]);
  const key = JSON.stringify(list);
  if ($("addresses").dataset.key === key) return;
  $("addresses").dataset.key = key;
  $("addresses").replaceChildren(...list.map(([what, where]) => {
    const copy = make("button", { type: "button", "aria-label": `Copy the address of ${what}` }, "Copy");
    copy.addEventListener("click", () => copyText(where, copy));
    // A line may end after a slash only.
    const parts = where.match(/[^/]*\/|[^/]+/g).flatMap(part => [make("span", {}, part), make("wbr")]);
    const shown = where.startsWith("http") ? make("a", { className: "where", href: where }, ...parts) : make("span", { className: "where" }, ...parts);
    return make("li", {}, make("span", { className: "what" }, what), shown, copy);
  }));
}

// copyText works on pages without TLS too, where browsers have no clipboard.
async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = make("textarea", { value: text, readOnly: true });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

function showState(st, seconds) {
  state = st;
  showHealth(st.healthy, st.healthy ? "All is well" : st.problems.length === 1 ? "1 problem" : `${st.problems.length} problems`);
  showProblems(st.problems);
  showNotices(st.notices || []);
  for (const [stream, s] of Object.entries(st.streams)) {
    if (!feeds.has(stream)) feeds.set(stream, new Feed(stream));
    feeds.get(stream).update(s, seconds);
  }
  showFacts(st);
  showAddresses(st);
}

async function watchState() {
  for (let last = 0; ; await sleep(document.hidden ? 5 * period : period)) {
    try {
      const st = await within(4000, read("/status.json"), "for some seconds");
      const now = performance.now();
      showState(st, last ? (now - last) / 1000 : 0);
      document.body.classList.remove("stale");
      last = now;
      if (!live.name) choose();
    } catch (err) {
      const silent = err instanceof Unreachable;
      showHealth(false, silent ? "No answer" : "State unknown");
      document.body.classList.add("stale");
      showProblems([silent ? `The camera does not answer (${err.message}); look at its power and its network cable`
        : `This page cannot show the state of the camera (${err.message}); load it again`]);
    }
  }
}

async function loadHistory() {
  try {
    earlier = (await read("/history.json")).bitrate_bps;
    for (const [stream, feed] of feeds) {
      feed.history.unshift(...earlier[stream] || []);
      feed.draw();
    }
  } catch { /* the graphs begin now */ }
}

// A browser that keeps nothing throws.
function remembered() {
  try { return localStorage.getItem("stream"); } catch { return null; }
}

function remember(stream) {
  try { localStorage.setItem("stream", stream); } catch { /* then not */ }
}

// choose shows a stream: the one asked for, else the one watched last, else the smallest.
function choose(stream) {
  const streams = Object.entries(state?.streams || {});
  if (!streams.length) return;
  const wanted = stream || remembered();
  if (stream) remember(stream);
  const smallest = streams.reduce((a, b) => a[1].width * a[1].height <= b[1].width * b[1].height ? a : b);
  const [chosen, s] = streams.find(([n]) => n === wanted) || smallest;
  for (const [n, feed] of feeds) feed.button.setAttribute("aria-pressed", n === chosen);
  $("stage").style.aspectRatio = `${s.width} / ${s.height}`;
  live.show(chosen, s.framerate);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) live.hide(); else if (live.name) choose(live.name);
});
$("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen(); else ($("stage").requestFullscreen || $("video").webkitEnterFullscreen)?.call($("stage").requestFullscreen ? $("stage") : $("video"));
});
$("host").textContent = location.hostname;
watchState();
loadHistory();

// ---- picture settings ----

// groups are the controls in the order in which people look for them; what the camera has beyond them comes last.
const groups = [
  ["Light", ["brightness", "contrast", "saturation", "sharpness", "drc_strength"]],
  ["Direction and zoom", ["rotation", "hflip", "vflip", "zoom"]],
  ["Exposure", ["exposure_mode", "exposure_compensation", "iso", "analog_gain", "digital_gain", "shutter_speed", "meter_mode", "flicker_avoid"]],
  ["Colour", ["awb_mode", "awb_gains", "image_effect", "color_effects"]],
  ["Text in the picture", ["annotate.text", "annotate.*"]],
  ["More", []],
];
const labels = {
  iso: "ISO", awb_mode: "White balance", awb_gains: "Red, blue gain", drc_strength: "Lift dark areas", hflip: "Mirror left–right",
  vflip: "Mirror top–bottom", color_effects: "Tint (U, V)", flicker_avoid: "Lamp flicker", shutter_speed: "Shutter (µs)",
  exposure_compensation: "Compensation", meter_mode: "Metering", exposure_mode: "Exposure", zoom: "Part of the picture",
};
const hints = { zoom: "left, top, width, height; 0 to 1" };

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const label = key => labels[key] || (key.charAt(0).toUpperCase() + key.slice(1)).replace(/^Annotate\.(.)/, (_, c) => c.toUpperCase()).replaceAll("_", " ");

// nested makes the object that the camera takes out of keys like annotate.size.
function nested(values) {
  const object = {};
  for (const [key, value] of Object.entries(values)) {
    const [section, inner] = key.split(".");
    if (inner) (object[section] ??= {})[inner] = value; else object[key] = value;
  }
  return object;
}

class Settings {
  constructor() {
    this.controls = new Map(); // key to control
    this.past = []; // what to set to undo, newest last
    this.waiting = null; // what is to be sent
    this.sending = false;
  }

  async load() {
    let list;
    try {
      list = await read("/settings.json/controls");
    } catch {
      return; // there are none
    }
    this.file = list.file;
    for (const c of list.controls) this.controls.set(c.key, Object.assign(this.controls.get(c.key) || {}, c));
    if (!$("controls").childElementCount) this.build();
    this.show();
    $("settings").hidden = $("crop").hidden = false;
  }

  value(key) { return this.controls.get(key).value; }

  build() {
    const left = new Set(this.controls.keys());
    for (const [title, keys] of groups) {
      const wanted = keys.length ? keys.flatMap(key => key.endsWith("*") ? [...left].filter(k => k.startsWith(key.slice(0, -1))) : key) : [...left];
      const mine = wanted.filter(key => left.delete(key));
      if (!mine.length) continue;
      const rows = mine.map(key => this.row(this.controls.get(key)));
      if (keys.includes("zoom")) rows.push(zoomButtons());
      $("controls").append(make("details", { open: innerWidth > 900 && (title === "Light" || title.startsWith("Direction")) }, make("summary", {}, title), ...rows));
    }
  }

  // row builds the line of one control, and gives the control show, which makes the line show a value.
  row(c) {
    const id = `set-${c.key.replace(".", "-")}`;
    const shown = make("output", { htmlFor: id });
    const field = this.field(c, id, shown);
    c.line = make("div", { className: "control", title: `${c.key} in camera.yaml` }, make("label", { htmlFor: id }, label(c.key), ...(hints[c.key] ? [make("small", {}, hints[c.key])] : [])), ...field);
    return c.line;
  }

  field(c, id, shown) {
    const set = value => this.set({ [c.key]: value });
    switch (c.kind) {
      case "boolean": {
        const box = make("input", { type: "checkbox", id });
        box.addEventListener("change", () => set(box.checked));
        c.show = v => { box.checked = v; };
        return [box];
      }
      case "choice": case "rotation": {
        const choices = c.kind === "rotation" ? [0, 90, 180, 270] : c.choices;
        const list = make("select", { id }, ...choices.map(v => make("option", { value: v }, c.kind === "rotation" ? `${v}°` : v)));
        list.addEventListener("change", () => c.key === "awb_mode" ? this.balance(list.value) : set(c.kind === "rotation" ? +list.value : list.value));
        c.show = v => { list.value = v; };
        return [list];
      }
      case "integer": case "gain": {
        const whole = c.kind === "integer", slider = whole && c.max - c.min <= 1600;
        const field = make("input", { type: slider ? "range" : "number", id, min: c.min, max: c.max, step: whole ? 1 : "any" });
        field.addEventListener(slider ? "input" : "change", () => { shown.textContent = field.value; set(whole ? Math.round(+field.value) : +field.value); });
        c.show = v => { field.value = v; shown.textContent = v; };
        return slider ? [field, shown] : [field];
      }
      default: {
        // Lists and texts are written as text.
        const text = c.kind === "text" || c.kind === "color";
        const field = make("input", { type: "text", id, spellcheck: false, placeholder: c.kind === "color" ? "#ffffff" : "" });
        field.addEventListener("change", () => set(text ? field.value : this.list(field.value)));
        c.show = v => { field.value = v === null ? "none" : text ? v : v.map(n => +n.toFixed(4)).join(", "); };
        return [field];
      }
    }
  }

  // list reads numbers from a text; nothing and none are null.
  list(text) {
    const words = text.split(/[\s,;[\]]+/).filter(Boolean);
    return !words.length || words[0] === "none" ? null : words.map(Number);
  }

  // balance sets the white balance; gains belong to "off", and to it alone.
  balance(mode) {
    const gains = this.controls.get("awb_gains");
    const change = { awb_mode: mode };
    if (gains) change.awb_gains = mode !== "off" ? [0, 0] : gains.value.some(v => v === 0) ? [1.5, 1.5] : gains.value;
    this.set(change);
  }

  // set changes the camera, and remembers how to undo that.
  set(change) {
    const before = {};
    for (const key of Object.keys(change)) before[key] = this.value(key);
    const last = this.past.at(-1), now = Date.now();
    // One pull at a slider is one thing to undo.
    if (last && now - last.when < 1000 && same(Object.keys(last.values), Object.keys(before))) last.when = now;
    else this.past.push({ values: before, when: now });
    this.past.splice(0, this.past.length - 100);
    this.send(change);
  }

  // send sends the newest values, one request at a time.
  async send(change) {
    this.waiting = { ...this.waiting, ...change };
    if (this.sending) return;
    this.sending = true;
    while (this.waiting) {
      const values = this.waiting;
      this.waiting = null;
      await this.patch(values);
    }
    this.sending = false;
    // What was refused needs no undoing.
    while (this.past.length && Object.entries(this.past.at(-1).values).every(([key, v]) => same(v, this.value(key)))) this.past.pop();
    this.show();
  }

  async patch(values) {
    try {
      const answer = await reach("/settings.json", {
        method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify(nested(values)),
      });
      const body = await answer.json();
      this.refused(body.errors || []);
      if (answer.ok) this.take(body);
    } catch (err) {
      this.refused([{ problem: err instanceof Unreachable ? `The camera does not answer (${err.message})` : err.message }]);
    }
  }

  take(state) {
    for (const c of this.controls.values()) {
      const [section, inner] = c.key.split(".");
      c.value = inner ? state[section][inner] : state[section];
    }
  }

  refused(errors) {
    $("settings-errors").replaceChildren(...errors.map(e => make("li", {}, e.key ? `${label(e.key)}: ${e.problem}` : e.problem)));
  }

  unsaved() { return [...this.controls.values()].filter(c => !same(c.value, c.saved)); }

  show() {
    for (const c of this.controls.values()) {
      if (!c.line.contains(document.activeElement) || document.activeElement.type !== "text") c.show(c.value);
      c.line.classList.toggle("changed", !same(c.value, c.saved));
    }
    const unsaved = this.unsaved();
    $("settings-state").textContent = unsaved.length
      ? `Lost at the next start unless you save: ${unsaved.map(c => `${label(c.key)} (saved: ${c.saved === null ? "none" : c.saved === "" ? "empty" : c.saved})`).join(", ")}`
      : "All as saved. A change shows in the picture at once.";
    $("save").disabled = $("revert").disabled = !unsaved.length;
    $("undo").disabled = !this.past.length;
  }

  undo() {
    const last = this.past.pop();
    if (last) this.send(last.values);
  }

  revert() { this.set(Object.fromEntries(this.unsaved().map(c => [c.key, c.saved]))); }

  async save() {
    $("save").disabled = true;
    const answer = await reach("/settings.json/save", { method: "POST" }).catch(() => null);
    const body = await answer?.json().catch(() => null);
    this.refused(answer?.ok ? [] : body?.errors || [{ problem: "The camera does not answer" }]);
    await this.load();
    if (answer?.ok) $("settings-state").textContent = `Saved in ${body.saved}.`;
  }
}

const settings = new Settings();
$("save").addEventListener("click", () => settings.save());
$("undo").addEventListener("click", () => settings.undo());
$("revert").addEventListener("click", () => settings.revert());
$("controls").addEventListener("submit", event => event.preventDefault());
settings.load();

// ---- zoom ----

// zoomTo shows a part of what the picture shows now, given in fractions of the picture. The camera takes it as a part of
// the sensor's area, before it turns and mirrors the picture.
function zoomTo(x, y, w, h) {
  if (settings.value("hflip")) x = 1 - x - w;
  if (settings.value("vflip")) y = 1 - y - h;
  switch (settings.value("rotation")) {
    case 90: [x, y, w, h] = [y, 1 - x - w, h, w]; break;
    case 180: [x, y] = [1 - x - w, 1 - y - h]; break;
    case 270: [x, y, w, h] = [1 - y - h, x, h, w]; break;
  }
  const [zx, zy, zw, zh] = settings.value("zoom");
  const width = Math.min(Math.max(w * zw, 0.05), 1), height = Math.min(Math.max(h * zh, 0.05), 1);
  const left = Math.min(Math.max(zx + x * zw, 0), 1 - width), top = Math.min(Math.max(zy + y * zh, 0), 1 - height);
  settings.set({ zoom: [left, top, width, height].map(v => Math.floor(v * 10000) / 10000) });
}

function zoomButtons() {
  const pad = make("div", { className: "pad", role: "group", "aria-label": "Zoom" });
  for (const [text, name, part] of [
    ["+", "Closer", [0.1, 0.1, 0.8, 0.8]], ["−", "Farther", [-0.125, -0.125, 1.25, 1.25]], ["←", "To the left", [-0.1, 0, 1, 1]],
    ["→", "To the right", [0.1, 0, 1, 1]], ["↑", "Up", [0, -0.1, 1, 1]], ["↓", "Down", [0, 0.1, 1, 1]],
  ]) {
    const button = make("button", { type: "button", title: name, "aria-label": name }, text);
    button.addEventListener("click", () => zoomTo(...part));
    pad.append(button);
  }
  const whole = make("button", { type: "button" }, "Whole picture");
  whole.addEventListener("click", () => settings.set({ zoom: [0, 0, 1, 1] }));
  pad.append(whole);
  return pad;
}

// picture is where the stage shows the picture, in the stage's pixels.
function picture() {
  const { video, still } = live, stage = $("stage").getBoundingClientRect();
  const wide = video.hidden ? still.naturalWidth : video.videoWidth, high = video.hidden ? still.naturalHeight : video.videoHeight;
  if (!wide) return null;
  const scale = Math.min(stage.width / wide, stage.height / high);
  const width = wide * scale, height = high * scale;
  return { left: (stage.width - width) / 2, top: (stage.height - height) / 2, width, height, stage };
}

let drag = null; // where it began and is, in fractions of the picture

function cropping(on) {
  $("crop").setAttribute("aria-pressed", on);
  $("stage").classList.toggle("crop", on);
}

// rectangle is what is being dragged, in the picture's own shape.
function rectangle() {
  const size = Math.min(Math.max(Math.abs(drag.x - drag.x0), Math.abs(drag.y - drag.y0)),
    drag.x < drag.x0 ? drag.x0 : 1 - drag.x0, drag.y < drag.y0 ? drag.y0 : 1 - drag.y0);
  return [drag.x < drag.x0 ? drag.x0 - size : drag.x0, drag.y < drag.y0 ? drag.y0 - size : drag.y0, size];
}

function place(event, area) {
  const within01 = v => Math.min(Math.max(v, 0), 1);
  return [within01((event.clientX - area.stage.left - area.left) / area.width), within01((event.clientY - area.stage.top - area.top) / area.height)];
}

function endDrag() {
  drag = null;
  $("frame").hidden = true;
}

$("crop").addEventListener("click", () => cropping($("crop").getAttribute("aria-pressed") !== "true"));
$("stage").addEventListener("pointerdown", event => {
  const area = picture();
  const mouse = event.pointerType === "mouse" && event.button === 0;
  if (!area || !settings.controls.has("zoom") || !mouse && !$("stage").classList.contains("crop")) return;
  event.preventDefault();
  $("stage").setPointerCapture(event.pointerId);
  const [x, y] = place(event, area);
  drag = { x0: x, y0: y, x, y, area };
});
$("stage").addEventListener("pointermove", event => {
  if (!drag) return;
  [drag.x, drag.y] = place(event, drag.area);
  const [x, y, size] = rectangle(), { area } = drag, frame = $("frame");
  Object.assign(frame.style, {
    left: `${area.left + x * area.width}px`, top: `${area.top + y * area.height}px`,
    width: `${size * area.width}px`, height: `${size * area.height}px`,
  });
  frame.hidden = size < 0.03;
});
$("stage").addEventListener("pointerup", () => {
  if (!drag) return;
  const [x, y, size] = rectangle();
  endDrag();
  if (size < 0.03) return;
  zoomTo(x, y, size, size);
  cropping(false);
});
$("stage").addEventListener("pointercancel", endDrag);
document.addEventListener("keydown", event => {
  if (event.key === "Escape") { endDrag(); cropping(false); }
});
