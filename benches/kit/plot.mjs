// Line charts as SVG, by hand: a few panels with axes, a legend, and colours that are read on light and on dark.

/**
 * @typedef {object} Axis
 * @property {string} label with the unit
 * @property {boolean} [log]
 * @property {(value: number) => string} text of a tick
 */

/**
 * @typedef {object} Panel
 * @property {string} title
 * @property {Record<string, [number, number][]>} curves points by name
 */

const PANEL = { width: 300, height: 190 }
const MARGIN = { left: 62, right: 14, top: 26, bottom: 44 }
const LEGEND = 20
/** By Okabe and Ito: told apart by eyes of every kind. */
const COLOURS = ['#d55e00', '#7f7f7f', '#0072b2', '#56b4e9', '#009e73', '#cc79a7', '#b58900']

const STYLE = `
    text { font: 11px system-ui, sans-serif; fill: #24292f }
    .title { font-weight: 600 }
    .axis { stroke: #57606a; fill: none }
    .grid { stroke: #d0d7de; fill: none }
    .curve { fill: none; stroke-width: 2 }
    .ground { fill: #ffffff }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .axis { stroke: #8b949e }
      .grid { stroke: #30363d }
      .ground { fill: #0d1117 }
    }`

/** @param {string} text */
const escaped = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** @param {number} n */
const px = (n) => n.toFixed(1)

/** Round numbers from below the smallest value to above the largest. @param {number[]} values @param {boolean} log */
function ticksOf(values, log) {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (log) {
    const from = Math.floor(Math.log10(low))
    const to = Math.max(from + 1, Math.ceil(Math.log10(high)))
    return Array.from({ length: to - from + 1 }, (_, n) => 10 ** (from + n))
  }
  const rough = high / 4
  const unit = 10 ** Math.floor(Math.log10(rough))
  const step = unit * ([1, 2, 5, 10].find((times) => unit * times >= rough) ?? 10)
  return Array.from({ length: Math.ceil(high / step) + 1 }, (_, n) => n * step)
}

/** @param {number[]} ticks @param {boolean} log @param {number} from @param {number} to where the ends lie */
function scale(ticks, log, from, to) {
  const place = log ? Math.log10 : (/** @type {number} */ n) => n
  const [low, high] = [place(ticks[0] ?? 0), place(ticks.at(-1) ?? 1)]
  return (/** @type {number} */ value) => from + ((place(value) - low) / (high - low)) * (to - from)
}

/**
 * @param {Panel} panel
 * @param {{ x: Axis & { ticks?: number[] }, y: Axis }} axes `ticks`: where not every power of ten is one
 * @param {Map<string, string>} colours
 * @param {{ left: number, top: number }} corner
 */
function panelLines({ title, curves }, { x, y }, colours, { left, top }) {
  const points = Object.values(curves).flat()
  const xTicks =
    x.ticks ??
    ticksOf(
      points.map(([at]) => at),
      x.log === true,
    )
  const yTicks = ticksOf(
    points.map(([, value]) => value),
    y.log === true,
  )
  const [x0, x1] = [left + MARGIN.left, left + MARGIN.left + PANEL.width]
  const [y0, y1] = [top + MARGIN.top + PANEL.height, top + MARGIN.top]
  const toX = scale(xTicks, x.log === true, x0, x1)
  const toY = scale(yTicks, y.log === true, y0, y1)
  const middle = (y0 + y1) / 2
  const labelX = left + 14
  return [
    `<text class="title" x="${px(x0)}" y="${px(y1 - 10)}">${escaped(title)}</text>`,
    ...yTicks.flatMap((tick) => [
      `<path class="grid" d="M${px(x0)} ${px(toY(tick))}H${px(x1)}"/>`,
      `<text text-anchor="end" x="${px(x0 - 6)}" y="${px(toY(tick) + 4)}">${escaped(y.text(tick))}</text>`,
    ]),
    ...xTicks.flatMap((tick) => [
      `<path class="axis" d="M${px(toX(tick))} ${px(y0)}v4"/>`,
      `<text text-anchor="middle" x="${px(toX(tick))}" y="${px(y0 + 17)}">${escaped(x.text(tick))}</text>`,
    ]),
    `<path class="axis" d="M${px(x0)} ${px(y1)}V${px(y0)}H${px(x1)}"/>`,
    `<text text-anchor="middle" x="${px((x0 + x1) / 2)}" y="${px(y0 + 34)}">${escaped(x.label)}</text>`,
    `<text text-anchor="middle" transform="translate(${px(labelX)} ${px(middle)}) rotate(-90)">${escaped(y.label)}</text>`,
    ...Object.entries(curves).flatMap(([name, curve]) => {
      const colour = colours.get(name)
      const path = curve.map(([at, value]) => `${px(toX(at))} ${px(toY(value))}`).join('L')
      return [
        `<path class="curve" stroke="${colour}" d="M${path}"/>`,
        ...curve.map(
          ([at, value]) =>
            `<circle cx="${px(toX(at))}" cy="${px(toY(value))}" r="3" fill="${colour}"/>`,
        ),
      ]
    }),
  ]
}

/** The names of the curves in their colours, in lines of a width. @param {Map<string, string>} colours @param {number} width */
function legendLines(colours, width) {
  let [left, line] = [MARGIN.left, 0]
  const lines = [...colours].flatMap(([name, colour]) => {
    const long = 40 + name.length * 7
    if (left + long > width && left > MARGIN.left) [left, line] = [MARGIN.left, line + 1]
    const [from, y] = [left, 16 + line * LEGEND]
    left += long
    return [
      `<path class="curve" stroke="${colour}" d="M${from} ${y}h18"/>`,
      `<text x="${from + 23}" y="${y + 4}">${escaped(name)}</text>`,
    ]
  })
  return { lines, height: (line + 1) * LEGEND + 10 }
}

/**
 * @param {string} title what a reader who sees no picture is told
 * @param {Panel[]} panels
 * @param {{ x: Axis & { ticks?: number[] }, y: Axis, columns: number, names: string[] }} how `names`: of all the curves that
 *   there may be; each has the same colour in every chart
 */
export function chart(title, panels, { columns, names, ...axes }) {
  const shown = new Set(panels.flatMap(({ curves }) => Object.keys(curves)))
  const all = names.map(
    (name, n) => /** @type {const} */ ([name, COLOURS[n % COLOURS.length] ?? '']),
  )
  const colours = new Map(all.filter(([name]) => shown.has(name)))
  const cell = {
    width: MARGIN.left + PANEL.width + MARGIN.right,
    height: MARGIN.top + PANEL.height + MARGIN.bottom,
  }
  const width = cell.width * Math.min(columns, panels.length)
  const legend = legendLines(colours, width)
  const height = legend.height + cell.height * Math.ceil(panels.length / columns)
  const lines = panels.flatMap((panel, n) =>
    panelLines(panel, axes, colours, {
      left: (n % columns) * cell.width,
      top: legend.height + Math.floor(n / columns) * cell.height,
    }),
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    ...legend.lines,
    ...lines,
    '</svg>\n',
  ].join('\n')
}
