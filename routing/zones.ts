/**
 * In which zones may a provider process what it is sent?
 *
 * One file of facts. Azure's regions: learn.microsoft.com/azure/reliability/regions-list (2026) and, for Azure
 * Government, its own list of regions. What a deployment type promises: concepts-deployment-types, data-privacy (May
 * 2026; Norway and Switzerland belong to the EU data zone). Where OpenAI's regional hosts process: OpenAI's guide to
 * data residency (2026); its hosts of other countries store there and may process elsewhere. Countries are ISO 3166-1.
 */

/** As in the CRDs: where a caller belongs, and where data may be processed. */
export type Zone = "APAC" | "EU" | "US" | "USGov";

export const ZONES: readonly Zone[] = ["APAC", "EU", "US", "USGov"];

const REGIONS: Readonly<Record<Zone, readonly string[]>> = {
  APAC: [
    "australiacentral",
    "australiacentral2",
    "australiaeast",
    "australiasoutheast",
    "centralindia",
    "eastasia",
    "indonesiacentral",
    "japaneast",
    "japanwest",
    "jioindiacentral",
    "jioindiawest",
    "koreacentral",
    "koreasouth",
    "malaysiawest",
    "newzealandnorth",
    "southeastasia",
    "southindia",
    "westindia",
  ],
  EU: [
    "austriaeast",
    "belgiumcentral",
    "denmarkeast",
    "francecentral",
    "francesouth",
    "germanynorth",
    "germanywestcentral",
    "italynorth",
    "northeurope",
    "norwayeast",
    "norwaywest",
    "polandcentral",
    "spaincentral",
    "swedencentral",
    "swedensouth",
    "switzerlandnorth",
    "switzerlandwest",
    "westeurope",
  ],
  US: [
    "centralus",
    "eastus",
    "eastus2",
    "northcentralus",
    "southcentralus",
    "westcentralus",
    "westus",
    "westus2",
    "westus3",
  ],
  USGov: ["usdodcentral", "usdodeast", "usgovarizona", "usgovtexas", "usgovvirginia"],
};

/** Known, and in none of the four zones. */
const REGIONS_OUTSIDE = [
  "brazilsouth",
  "brazilsoutheast",
  "canadacentral",
  "canadaeast",
  "chilecentral",
  "israelcentral",
  "mexicocentral",
  "qatarcentral",
  "southafricanorth",
  "southafricawest",
  "uaecentral",
  "uaenorth",
  "uksouth",
  "ukwest",
] as const;

/** Deployment types that keep processing in the resource's region, or in the zone around it. All others: anywhere. */
const STAYS = new Set([
  "DataZoneBatch",
  "DataZoneProvisionedManaged",
  "DataZoneStandard",
  "ProvisionedManaged",
  "Standard",
]);

/** OpenAI's hosts that process in one zone, which is where projects of that zone are called. */
const OPENAI_HOSTS: Readonly<Record<string, Zone>> = { "eu.api.openai.com": "EU", "us.api.openai.com": "US" };
const OPENAI_GENERAL_HOST = "api.openai.com";

/** Azure's clouds by the end of a host's name; the regions of one are not in another. */
const GOVERNMENT_CLOUD = /\.azure\.us$/;
const PUBLIC_CLOUD = /\.azure\.com$/;
const OTHER_CLOUD = /\.azure\.cn$/;

/** Where somebody in a country belongs. EU: the Union's members and those of EFTA, as in Microsoft's EU Data Boundary. */
const COUNTRIES: Readonly<Record<Exclude<Zone, "USGov">, string>> = {
  APAC: "AU BD BN BT CN FJ HK ID IN JP KH KR LA LK MM MN MO MV MY NP NZ PG PH PK SG TH TL TW VN",
  EU: "AT BE BG CH CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK",
  US: "AS GU MP PR US VI",
};

const zoneByCountry = new Map(
  Object.entries(COUNTRIES).flatMap(([zone, list]) =>
    list.split(" ").map((country) => [country, zone as Zone] as const),
  ),
);

const zoneByRegion = new Map(ZONES.flatMap((zone) => REGIONS[zone].map((region) => [region, zone] as const)));

/** Of an Azure region; undefined: in none, or not a region that is known here. */
export function zoneOfRegion(region: string): Zone | undefined {
  return zoneByRegion.get(region);
}

export function isKnownRegion(region: string): boolean {
  return zoneByRegion.has(region) || (REGIONS_OUTSIDE as readonly string[]).includes(region);
}

/** Whether a deployment of this type keeps what it is sent in its region's zone. */
export function staysInZone(deploymentType: string | undefined): boolean {
  return deploymentType !== undefined && STAYS.has(deploymentType);
}

/** Whether a resource at this host can be in this zone: Azure's clouds do not share regions. */
export function isCloudOf(host: string, zone: Zone): boolean {
  if (OTHER_CLOUD.test(host)) return false;
  if (GOVERNMENT_CLOUD.test(host)) return zone === "USGov";
  return !PUBLIC_CLOUD.test(host) || zone !== "USGov";
}

/** What OpenAI's host in an address says of a zone; other hosts (a proxy of one's own) are taken at their owner's word. */
export function openAIHost(host: string, zone: Zone): "Fits" | "General" | "Contradicts" {
  if (host === OPENAI_GENERAL_HOST) return "General";
  return !host.endsWith(`.${OPENAI_GENERAL_HOST}`) || OPENAI_HOSTS[host] === zone ? "Fits" : "Contradicts";
}

/** OpenAI's host that processes in a zone. */
export function openAIHostOf(zone: Zone): string | undefined {
  return Object.keys(OPENAI_HOSTS).find((host) => OPENAI_HOSTS[host] === zone);
}

/** Of a country's code, in upper case; undefined: in none of the four. */
export function zoneOfCountry(code: string): Zone | undefined {
  return zoneByCountry.get(code);
}
