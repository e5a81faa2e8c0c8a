//! The recording of a running session, by the session's own policy: whether what is shown is recorded, and what happens when
//! it cannot be.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use evidence::Segment;
use platform::{
    clock,
    disk::{Disk, Promise},
};
use protocol::{Entry, Event, RefusalReason, ServerMessage, Timestamp};
use session::{Actor, Command, Footage, RecordingDuty};
use tokio::sync::mpsc;

use super::{ActError, LiveSession};

use crate::recorder::{self, Base, Fit, Frame, PlaceholderFrame, Recorder, Told};

/// Segments of the recording on their way into the timeline.
const SEGMENTS: usize = 64;
/// While frames come that build on nothing recorded, the program is asked for a keyframe so often.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Whether the shared screen is being recorded.
#[derive(Default)]
pub(super) enum Recording {
    /// Nothing was shown yet, or it failed: the next keyframe starts it, where the policy still wants it.
    #[default]
    Not,
    Going {
        recorder: Recorder,
        /// Brings its segments into the timeline.
        told: tokio::task::JoinHandle<()>,
    },
}

/// The recording, how much it comes to, and when the program was asked for a keyframe for it.
pub(super) struct State {
    recording: Recording,
    footage: Footage,
    /// Room for the video, until it is made: what is recorded can also be stored.
    video: Arc<Mutex<Promise>>,
    asked: Option<Instant>,
}

impl State {
    /// Of a session whose timeline is this so far.
    pub(super) fn after(entries: &[Entry], disk: &Arc<Disk>) -> Self {
        let video = Arc::new(Mutex::new(disk.nothing()));
        Self { recording: Recording::Not, footage: Footage::of(entries), video, asked: None }
    }
}

/// What becomes of a frame.
enum Judged {
    /// It is passed on, and recorded where it must be.
    Passes,
    /// It is not: a keyframe must come first.
    Waits,
}

impl LiveSession {
    /// What the session's policy wants now.
    fn duty(&self) -> RecordingDuty {
        self.known().session.recording()
    }

    /// A frame of the customer's screen: passed on and recorded, if the customer allows it.
    pub async fn frame(self: &Arc<Self>, from: protocol::ParticipantId, frame: Frame) -> Result<(), ActError> {
        if !self.known().session.may_view() {
            return Err(RefusalReason::NotGranted.into());
        }
        if let Judged::Waits = self.judge_frame(&frame).await? {
            return Ok(());
        }
        self.tell_picture(from, &frame).await?;
        if let Err(reason) = self.record(&frame) {
            self.recording_failed(reason).await?;
        }
        self.screen.pass(frame, || self.now());
        Ok(())
    }

    /// Whether the recording, where there must be one, can take the frame: asked before anybody is shown it.
    async fn judge_frame(self: &Arc<Self>, frame: &Frame) -> Result<Judged, ActError> {
        if self.duty() == RecordingDuty::None {
            return Ok(Judged::Passes);
        }
        let fit = match &self.recording().recording {
            Recording::Not => Base::default().judge(frame),
            Recording::Going { recorder, .. } => recorder.base.judge(frame),
        };
        match fit {
            Fit::Fits => Ok(Judged::Passes),
            Fit::KeyframeFirst => {
                if self.asks_for_keyframe(Instant::now()) {
                    self.want_keyframe();
                }
                Ok(Judged::Waits)
            }
            Fit::Never => {
                let reason = "the customer's program sent a picture that no recording can hold".to_owned();
                self.recording_failed(reason).await.map(|()| Judged::Passes)
            }
        }
    }

    fn asks_for_keyframe(&self, now: Instant) -> bool {
        let asked = &mut self.recording().asked;
        let asks = asked.is_none_or(|at| now.duration_since(at) > ASK_AGAIN);
        if asks {
            *asked = Some(now);
        }
        asks
    }

    /// Says that it cannot be recorded, and does what the policy says: when this returns well, it goes on without.
    async fn recording_failed(self: &Arc<Self>, reason: String) -> Result<(), ActError> {
        tracing::error!(session = %self.id, reason, "a recording cannot go on");
        // Where it must be recorded, what is shared after this is recorded anew, if it can be.
        self.recording().recording = Recording::Not;
        match self.act(&Actor::Server, Command::RecordingFailed { reason }).await {
            Ok(_) | Err(ActError::Refused(RefusalReason::Already)) => {}
            Err(error) => return Err(error),
        }
        match self.duty() {
            RecordingDuty::None => Ok(()),
            RecordingDuty::WherePossible | RecordingDuty::Always => Err(RefusalReason::NotGranted.into()),
        }
    }

    fn record(self: &Arc<Self>, frame: &Frame) -> Result<(), String> {
        if self.duty() == RecordingDuty::None {
            return Ok(());
        }
        let mut state = self.recording();
        // What came to its end in the moment is not recorded behind its card.
        if !self.known().session.may_view() {
            return Ok(());
        }
        state.footage.take(clock::now(), frame.bytes.len() as u64).map_err(|much| much.to_string())?;
        if matches!(state.recording, Recording::Not) {
            let (segments, finished) = mpsc::channel(SEGMENTS);
            let recorder = Recorder::start(&self.services().recordings, &self.id, state.video.clone(), segments)?;
            let told = tokio::spawn(self.clone().listen_to(recorder.number, finished));
            state.recording = Recording::Going { recorder, told };
        }
        match &mut state.recording {
            Recording::Going { recorder, .. } => recorder.record(clock::now(), frame),
            Recording::Not => Ok(()),
        }
    }

    /// The room that is kept for the video.
    pub fn room_for_video(&self) -> Arc<Mutex<Promise>> {
        self.recording().video.clone()
    }

    /// Keeps room for the video of what was recorded before the server started.
    pub(super) fn keep_room_for_video(&self) -> std::io::Result<()> {
        let reels = recorder::reels(&self.services().recordings.data, &self.id);
        self.recording().video.lock().expect("nobody panics while holding a promise").owe(recorder::bytes_of(&reels)?);
        Ok(())
    }

    /// Whether no more of this session's screen is recorded.
    pub fn is_recorded_to_the_end(&self) -> bool {
        self.recording().footage.is_full()
    }

    fn recording(&self) -> std::sync::MutexGuard<'_, State> {
        self.recording.lock().expect("nobody panics while holding the recording")
    }

    /// The recording needs a picture that does not build on the ones before.
    pub(super) fn want_keyframe(&self) {
        self.to_program(ServerMessage::NeedKeyframe {});
    }

    /// From `at` on nothing is shown, and the recording says so.
    pub(super) fn card(&self, at: Timestamp, card: PlaceholderFrame) {
        if let Recording::Going { recorder, .. } = &mut self.recording().recording {
            recorder.card(at, card);
        }
    }

    /// Takes in what a recorder has to say: its segments go into the timeline, and when it fails that is said at once, also
    /// when no frame comes any more.
    async fn listen_to(self: Arc<Self>, number: u32, mut from: mpsc::Receiver<Told>) {
        while let Some(told) = from.recv().await {
            let taken = match told {
                Told::Segment(segment) => self.segment(segment).await,
                Told::Failed(_) if !self.records_by(number) => Ok(()),
                Told::Failed(reason) => match self.recording_failed(reason).await {
                    // The policy has stopped what was shown.
                    Ok(()) | Err(ActError::Refused(_)) => Ok(()),
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = taken {
                // A segment is found in the reel when the evidence is completed.
                tracing::error!(session = %self.id, %error, "what a recorder said is not in the timeline yet");
                return;
            }
        }
    }

    /// Whether it is this recorder that records.
    fn records_by(&self, number: u32) -> bool {
        matches!(&self.recording().recording, Recording::Going { recorder, .. } if recorder.number == number)
    }

    /// A piece of the recording is on the disk.
    pub async fn segment(self: &Arc<Self>, segment: Segment) -> Result<(), ActError> {
        let Segment { pictures, bytes, sha256 } = segment;
        let event = Event::Recorded { pictures, bytes, sha256 };
        self.act(&Actor::Server, Command::Evidence { event }).await.map(drop)
    }

    /// Ends the recording, if there is one, and waits until it is on the disk and in the timeline.
    pub async fn stop_recorder(&self) {
        let recording = std::mem::take(&mut self.recording().recording);
        if let Recording::Going { recorder, told } = recording {
            recorder.stop().await;
            let _ = told.await;
        }
    }
}
