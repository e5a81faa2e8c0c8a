//! The recording of a running session. The session's policy says whether the screen is recorded, and what happens when
//! recording fails.

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

use crate::recorder::{self, Base, Fit, Frame, PlaceholderFrame, Recorder, RecorderEvent};

/// How many events of a recorder may wait to be handled.
const EVENT_QUEUE: usize = 64;
/// How often the program is asked for a keyframe while its frames cannot be recorded without one.
const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_secs(1);

/// Whether the shared screen is being recorded.
#[derive(Default)]
pub(super) enum Recording {
    /// Nothing was shown yet, or the recording failed. The next keyframe starts it if the policy requires.
    #[default]
    Not,
    Going {
        recorder: Recorder,
        /// Handles the recorder's events.
        events: tokio::task::JoinHandle<()>,
    },
}

/// The recording, how long and large it is, and when a keyframe was requested for it.
pub(super) struct State {
    recording: Recording,
    footage: Footage,
    /// Disk space reserved for the video until it is made, so that what is recorded can also be stored.
    video: Arc<Mutex<Promise>>,
    keyframe_requested: Option<Instant>,
}

impl State {
    /// The state for a session with this timeline.
    pub(super) fn after(entries: &[Entry], disk: &Arc<Disk>) -> Self {
        let video = Arc::new(Mutex::new(disk.nothing()));
        Self { recording: Recording::Not, footage: Footage::of(entries), video, keyframe_requested: None }
    }
}

/// Whether a frame is relayed.
enum FrameDecision {
    /// Relay it, and record it if the policy requires.
    Relay,
    /// Drop it: the recording needs a keyframe first.
    Drop,
}

impl LiveSession {
    /// What the session's policy requires now.
    fn duty(&self) -> RecordingDuty {
        self.committed().session.recording()
    }

    /// Relays and records a frame of the customer's screen, if the customer allows it.
    pub async fn frame(self: &Arc<Self>, from: protocol::ParticipantId, frame: Frame) -> Result<(), ActError> {
        if !self.committed().session.may_view() {
            return Err(RefusalReason::NotGranted.into());
        }
        if let FrameDecision::Drop = self.judge_frame(&frame).await? {
            return Ok(());
        }
        self.record_screen_size(from, &frame).await?;
        if let Err(reason) = self.record(&frame) {
            self.recording_failed(reason).await?;
        }
        self.screen.relay(frame, || self.now());
        Ok(())
    }

    /// Whether the recording, if there must be one, can hold the frame. Checked before anybody sees it.
    async fn judge_frame(self: &Arc<Self>, frame: &Frame) -> Result<FrameDecision, ActError> {
        if self.duty() == RecordingDuty::None {
            return Ok(FrameDecision::Relay);
        }
        let fit = match &self.recording().recording {
            Recording::Not => Base::default().fit(frame),
            Recording::Going { recorder, .. } => recorder.base.fit(frame),
        };
        match fit {
            Fit::Fits => Ok(FrameDecision::Relay),
            Fit::KeyframeFirst => {
                if self.keyframe_request_due(Instant::now()) {
                    self.want_keyframe();
                }
                Ok(FrameDecision::Drop)
            }
            Fit::Never => {
                let reason = "the customer's program sent a picture that no recording can hold".to_owned();
                self.recording_failed(reason).await.map(|()| FrameDecision::Relay)
            }
        }
    }

    fn keyframe_request_due(&self, now: Instant) -> bool {
        let requested = &mut self.recording().keyframe_requested;
        let due = requested.is_none_or(|at| now.duration_since(at) > KEYFRAME_REQUEST_INTERVAL);
        if due {
            *requested = Some(now);
        }
        due
    }

    /// Reports that recording failed, and does what the policy says. Returns `Ok` if the session continues unrecorded.
    async fn recording_failed(self: &Arc<Self>, reason: String) -> Result<(), ActError> {
        tracing::error!(session = %self.id, reason, "recording failed");
        // If the policy requires a recording, the next sharing tries to start a new one.
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
        // The sharing may have ended meanwhile: no frame is recorded after the placeholder.
        if !self.committed().session.may_view() {
            return Ok(());
        }
        state.footage.take(clock::now(), frame.bytes.len() as u64).map_err(|much| much.to_string())?;
        if matches!(state.recording, Recording::Not) {
            let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
            let recorder = Recorder::start(&self.services().recordings, &self.id, state.video.clone(), sender)?;
            let events = tokio::spawn(self.clone().handle_events(recorder.number, receiver));
            state.recording = Recording::Going { recorder, events };
        }
        match &mut state.recording {
            Recording::Going { recorder, .. } => recorder.record(clock::now(), frame),
            Recording::Not => Ok(()),
        }
    }

    /// The disk space that is reserved for the video.
    pub fn space_for_video(&self) -> Arc<Mutex<Promise>> {
        self.recording().video.clone()
    }

    /// Reserves disk space for the video of what was recorded before the server started.
    pub(super) fn reserve_space_for_video(&self) -> std::io::Result<()> {
        let raw = recorder::raw_recordings(&self.services().recordings.data, &self.id);
        self.recording().video.lock().expect("lock is not poisoned").owe(recorder::bytes_of(&raw)?);
        Ok(())
    }

    /// Whether the recording has reached its limit.
    pub fn is_recorded_to_the_end(&self) -> bool {
        self.recording().footage.is_full()
    }

    fn recording(&self) -> std::sync::MutexGuard<'_, State> {
        self.recording.lock().expect("lock is not poisoned")
    }

    /// Asks the program for a keyframe.
    pub(super) fn want_keyframe(&self) {
        self.to_program(ServerMessage::NeedKeyframe {});
    }

    /// Records that nothing is shown from `at` on.
    pub(super) fn record_placeholder(&self, at: Timestamp, placeholder: PlaceholderFrame) {
        if let Recording::Going { recorder, .. } = &mut self.recording().recording {
            recorder.record_placeholder(at, placeholder);
        }
    }

    /// Handles a recorder's events: its segments go into the timeline, and a failure is reported at once, even if no
    /// further frame arrives.
    async fn handle_events(self: Arc<Self>, number: u32, mut events: mpsc::Receiver<RecorderEvent>) {
        while let Some(event) = events.recv().await {
            let handled = match event {
                RecorderEvent::Segment(segment) => self.segment(segment).await,
                RecorderEvent::Failed(_) if !self.is_current_recorder(number) => Ok(()),
                RecorderEvent::Failed(reason) => match self.recording_failed(reason).await {
                    // The policy stopped the sharing.
                    Ok(()) | Err(ActError::Refused(_)) => Ok(()),
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = handled {
                // A lost segment is found in the raw recording when the evidence is completed.
                tracing::error!(session = %self.id, %error, "recorder event not stored");
                return;
            }
        }
    }

    fn is_current_recorder(&self, number: u32) -> bool {
        matches!(&self.recording().recording, Recording::Going { recorder, .. } if recorder.number == number)
    }

    /// Adds a segment that is on the disk to the timeline.
    pub async fn segment(self: &Arc<Self>, segment: Segment) -> Result<(), ActError> {
        let Segment { pictures, bytes, sha256 } = segment;
        let event = Event::Recorded { pictures, bytes, sha256 };
        self.act(&Actor::Server, Command::Evidence { event }).await.map(drop)
    }

    /// Stops the recorder, if there is one, and waits until the recording is on the disk and in the timeline.
    pub async fn stop_recorder(&self) {
        let recording = std::mem::take(&mut self.recording().recording);
        if let Recording::Going { recorder, events } = recording {
            recorder.stop().await;
            let _ = events.await;
        }
    }
}
