// The API's messages as the pages see them; the truth is dispatch/board/messages.py (a test holds the two together).
// Instants are RFC 3339 strings in UTC.

export type Facts = Record<string, unknown>;

export interface Place {
  lat: number;
  lon: number;
  accuracy_m: number | null;
}

export interface Access {
  floor?: number | null;
  has_lift?: boolean | null;
  door_code?: string | null;
  key_safe?: string | null;
  note?: string | null;
}

export interface NextStep {
  at: string;
  code: string;
  facts: Facts;
}

export interface AssignmentCard {
  offer_id: string;
  worker_id: string;
  worker_name: string;
  worker_phone: string | null;
  state: string;
  eta_s: number;
  offered_by: string;
  offered_at: string;
  due_at: string | null;
  seen_at: string | null;
  accepted_at: string | null;
  departed_at: string | null;
  arrived_at: string | null;
  ended_at: string | null;
  end_reason: string | null;
}

export interface PersonCard {
  elder_id: string;
  name: string;
  age_years: number | null;
  phone: string | null;
  risks: string[];
  note: string | null;
}

export interface IncidentCard {
  incident_id: string;
  number: number;
  version: number;
  incident_class: string;
  kind: string;
  band: number;
  state: string;
  level: number;
  origin: string;
  subject_kind: string;
  subject_id: string;
  is_exercise: boolean;
  is_known_home: boolean;
  people: PersonCard[];
  address: string;
  place: Place | null;
  opened_at: string;
  answer_by: string | null;
  answered_at: string | null;
  answered_by: string | null;
  cancelled_at: string | null;
  closed_at: string | null;
  outcome: string | null;
  nobody: boolean;
  wants: number;
  hands: number;
  alarms: number;
  needs_action: boolean;
  next: NextStep | null;
  assignments: AssignmentCard[];
}

export interface WorkerCard {
  worker_id: string;
  name: string;
  station_id: string;
  travel: string;
  state: string;
  phone: string | null;
  skills: string[];
  place: Place | null;
  place_at: string | null;
  incident_id: string | null;
}

export interface Centre {
  centre_id: string;
  time_zone: string;
  leads: boolean;
  parked: number;
  stations: number;
  troubles: string[];
  canary: CanaryCard | null;
}

export interface CanaryCard {
  home_id: string | null;
  heard_at: string | null;
  stored_ms: number | null;
  shown_ms: number | null;
}

export interface BoardSnapshot {
  seq: number;
  server_now: string;
  incidents: IncidentCard[];
  workers: WorkerCard[];
  centre: Centre;
}

export interface Delta {
  type: 'delta';
  follows: number;
  seq: number;
  server_now: string;
  incidents: IncidentCard[];
  workers: WorkerCard[];
  centre: Centre | null;
}

export interface Snapshot {
  type: 'snapshot';
  board: BoardSnapshot;
}

export interface Heartbeat {
  type: 'heartbeat';
  seq: number;
  server_now: string;
}

export interface PhoneCard {
  name: string;
  phone: string | null;
  relation: string;
}

export interface UnstoredCard {
  terminal_id: string;
  kind: string;
  band: number;
  presses: number;
  since_at: string;
  last_at: string;
  home_id: string | null;
  address: string;
  phone: string | null;
  people: PhoneCard[];
  contacts: PhoneCard[];
}

export interface Unstored {
  type: 'unstored';
  server_now: string;
  away_since: string | null;
  lines: UnstoredCard[];
  terminals: number;
  presses: number;
  used: number;
  window: number;
}

export type BoardFrame = Delta | Snapshot | Heartbeat | Unstored;

export interface LogLine {
  seq: number;
  at: string;
  code: string;
  by: string;
  state: string;
  level: number;
  facts: Facts;
  names: Record<string, string>;
}

export interface CandidateCard {
  worker_id: string;
  name: string;
  state: string;
  travel: string;
  eta_s: number | null;
  distance_m: number | null;
  is_eligible: boolean;
  reasons: string[];
}

export interface Candidates {
  ranked_at: string;
  candidates: CandidateCard[];
  counts: Record<string, number>;
}

export interface ContactCard {
  rank: number;
  name: string;
  relation: string;
  phone: string;
  has_key: boolean;
}

export interface NoteCard {
  note_id: string;
  at: string;
  by: string;
  content: string;
}

export interface ReadingCard {
  terminal_id: string;
  at: string;
  heart_rate_bpm: number | null;
  spo2_percent: number | null;
  systolic_mmhg: number | null;
  diastolic_mmhg: number | null;
  temperature_c: number | null;
  temperature_site: string | null;
  respiration_per_min: number | null;
  is_cause: boolean;
}

export interface CauseCard {
  terminal_id: string;
  code: string;
  since_at: string;
  at: string;
  values: Record<string, number>;
  score: number | null;
}

export interface LimitCard {
  name: string;
  low: number | null;
  high: number | null;
  is_own: boolean;
}

export interface ScoreCard {
  at: string;
  total: number;
  most: number;
  known: number;
  asked: number;
  points: Record<string, number>;
  missing: string[];
  band: number | null;
}

export interface TrendCard {
  name: string;
  value: number;
  usual: number;
  usual_days: number;
  code: string | null;
}

export interface HealthCard {
  elder_id: string;
  terminal_ids: string[];
  limits: LimitCard[];
  spo2_scale: 'one' | 'two';
  on_oxygen: boolean | null;
  set_at: string | null;
  set_by: string | null;
  why: string | null;
  score: ScoreCard | null;
  trends: TrendCard[];
}

export interface OwnLimit {
  low?: number | null;
  high?: number | null;
}

export interface SetHealth {
  limits: Record<string, OwnLimit>;
  spo2_scale: 'one' | 'two';
  on_oxygen: boolean | null;
  why: string;
}

export interface IncidentDetail {
  card: IncidentCard;
  access: Access;
  contacts: ContactCard[];
  timeline: LogLine[];
  notes: NoteCard[];
  candidates: Candidates | null;
  readings: ReadingCard[];
  causes: CauseCard[];
  health: HealthCard[];
  policy_clocks: Record<string, number>;
}

export interface Found {
  home_id: string;
  by: string;
  address: string;
  place: Place | null;
  people: PersonCard[];
  terminal_ids: string[];
  open_incident_id: string | null;
}

export interface Who {
  name: string;
  role: string;
  language: string;
  worker_id: string | null;
}

export interface Acted {
  card: IncidentCard;
}

export interface Refusal {
  code: string;
  facts: Facts;
}

export interface OpenByHand {
  kind: string;
  home_id: string | null;
  address: string | null;
  place: Place | null;
  note: string;
}

export interface Question {
  code: string;
  at: string;
  answer_by: string | null;
}

export interface WorkerCall {
  offer_id: string;
  incident_id: string;
  number: number;
  state: string;
  kind: string;
  band: number;
  due_at: string | null;
  offered_at: string;
  eta_s: number;
  people: PersonCard[];
  address: string;
  place: Place | null;
  is_known_home: boolean;
  access: Access | null;
  contacts: ContactCard[];
  cancelled_at: string | null;
  question: Question | null;
}

export interface WorkerView {
  type: 'view';
  server_now: string;
  time_zone: string;
  worker: WorkerCard;
  is_on_duty: boolean;
  call: WorkerCall | null;
  ended: string | null;
  ended_offer_id: string | null;
}

export type WorkerFrame = WorkerView | Heartbeat;

export const OUTCOMES = [
  'assisted',
  'hospital',
  'handed_over',
  'false_alarm',
  'test',
  'no_answer',
  'duplicate',
  'cancelled',
  'nobody_home',
] as const;

export const DECLINE_REASONS = ['too_far', 'busy', 'unwell', 'off_duty_soon', 'no_vehicle', 'other'] as const;

export const RAISE_KINDS = ['sos', 'fall', 'fire', 'family'] as const;

export const OPEN_KINDS = ['sos', 'fall', 'fire', 'family', 'service', 'consult'] as const;
